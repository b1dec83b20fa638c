/* SPDX-License-Identifier: Apache-2.0 */
#include "trust.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S          (24 * 3600)
#define LONGEST_NAME   256                        /* of an identity; who asks with less room gets less */
#define NAMES_NOBODY   X509_V_ERR_CERT_REJECTED   /* ours: OpenSSL needs these only for what nobody sets */
#define IS_NOT_CLIENTS X509_V_ERR_INVALID_PURPOSE /* as OpenSSL says it */
#define KEY_IS_OTHER   X509_V_ERR_SUITE_B_INVALID_CURVE /* ours, too */

bool trust_complain(char err[TRUST_ERR_SIZE], const char *file, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    snprintf(err, TRUST_ERR_SIZE, "%s: %s%s%s", file ? file : "TLS", what, reason ? ": " : "",
             reason ? reason : "");
    ERR_clear_error();
    return false;
}

/* ---------------------------------------------------------------- dates */

/* Seconds from now; negative: it is past. A date that can't be read is past. */
static int64_t seconds_until(const ASN1_TIME *at)
{
    int days, seconds;

    if (!at || !ASN1_TIME_diff(&days, &seconds, NULL, at))
        return INT32_MIN;
    return (int64_t)days * DAY_S + seconds;
}

static int64_t list_ends_in(const X509_CRL *list)
{
    return seconds_until(X509_CRL_get0_lastUpdate(list)) <= 0 ? seconds_until(X509_CRL_get0_nextUpdate(list))
                                                              : TRUST_NO_LISTS;
}

int64_t trust_ends_in(X509 *cert)
{
    return seconds_until(X509_get0_notAfter(cert));
}

int64_t trust_chain_ends_in(STACK_OF(X509) * chain)
{
    int64_t first = INT32_MAX;

    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t in = trust_ends_in(sk_X509_value(chain, i));

        first = in < first ? in : first;
    }
    return first;
}

/* ---------------------------------------------------------------- revocation lists
 *
 * Verified once: OpenSSL verifies the signatures of all lists in every handshake: a quarter of its work. Which list is good under
 * which issuer doesn't change while both are loaded, so it is remembered, for lists that speak about all certificates
 * of their issuer (no issuing distribution point). Dates are looked at every time, and so is the list's content. */

#define CRLS_KEPT 8

struct crl_verdicts {
    struct {
        X509_CRL *crl;
        X509 *issuer;
    } good[CRLS_KEPT];
    int n;
};

static X509_STORE_CTX_check_crl_fn check_crl_fully;
static int verdicts_index = -1;

static void free_verdicts(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long number,
                          void *pointer)
{
    struct crl_verdicts *v = data;

    (void)parent, (void)all, (void)index, (void)number, (void)pointer;
    for (int i = 0; v && i < v->n; i++) {
        X509_CRL_free(v->good[i].crl);
        X509_free(v->good[i].issuer);
    }
    free(v);
}

static bool list_serves(const X509_CRL *list)
{
    return list_ends_in(list) > -TRUST_GRACE_S;
}

static bool known_good(const struct crl_verdicts *v, const X509_CRL *crl, const X509 *issuer)
{
    for (int i = 0; i < v->n; i++)
        if (v->good[i].crl == crl && v->good[i].issuer == issuer)
            return true;
    return false;
}

static int check_crl_once(X509_STORE_CTX *ctx, X509_CRL *crl)
{
    struct crl_verdicts *v = X509_STORE_get_ex_data(X509_STORE_CTX_get0_store(ctx), verdicts_index);
    X509 *issuer = X509_STORE_CTX_get0_current_issuer(ctx);
    bool plain = issuer && X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) < 0;

    if (plain && list_serves(crl) && known_good(v, crl, issuer))
        return 1;
    if (!check_crl_fully(ctx, crl))
        return 0;
    if (plain && X509_STORE_CTX_get_error(ctx) == X509_V_OK && !known_good(v, crl, issuer) &&
        v->n < CRLS_KEPT && X509_CRL_up_ref(crl) && X509_up_ref(issuer)) {
        v->good[v->n].crl = crl;
        v->good[v->n++].issuer = issuer;
    }
    return 1;
}

/* OpenSSL's own check has no public name; a store without one of its own hands it out. */
static X509_STORE_CTX_check_crl_fn openssl_check_crl(void)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_CTX_check_crl_fn found = store && ctx && X509_STORE_CTX_init(ctx, store, NULL, NULL) == 1
                                            ? X509_STORE_CTX_get_check_crl(ctx)
                                            : NULL;

    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return found;
}

/* Without memory for it everything is checked fully, as OpenSSL does. */
static void remember_crls(X509_STORE *store)
{
    struct crl_verdicts *v;

    if (verdicts_index < 0)
        verdicts_index = X509_STORE_get_ex_new_index(0, NULL, NULL, NULL, free_verdicts);
    if (!check_crl_fully)
        check_crl_fully = openssl_check_crl();
    if (verdicts_index < 0 || !check_crl_fully || !(v = calloc(1, sizeof(*v))))
        return;
    if (X509_STORE_set_ex_data(store, verdicts_index, v) == 1)
        X509_STORE_set_check_crl(store, check_crl_once);
    else
        free(v);
}

bool trust_load_lists(X509_STORE *store, const char *path, char err[TRUST_ERR_SIZE])
{
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

    if (!lookup || X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) < 1)
        return trust_complain(err, path, "no revocation list");
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    remember_crls(store);
    return true;
}

/* ---------------------------------------------------------------- is the store whole? */

static bool of_issuer(X509_CRL *list, X509 *ca)
{
    return X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(ca)) == 0 &&
           X509_CRL_verify(list, X509_get0_pubkey(ca)) == 1;
}

/* The list of `ca` that lasts longest; TRUST_NO_LISTS: it has none. */
static int64_t best_list_ends_in(const STACK_OF(X509_OBJECT) * all, X509 *ca)
{
    int64_t best = TRUST_NO_LISTS;

    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        X509_CRL *list = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(all, i));

        if (list && of_issuer(list, ca) && list_ends_in(list) > best)
            best = list_ends_in(list);
    }
    return best;
}

static bool known_issuer(const STACK_OF(X509_OBJECT) * all, X509_CRL *list)
{
    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));

        if (ca && of_issuer(list, ca))
            return true;
    }
    return false;
}

static const char *what_lacks(const STACK_OF(X509_OBJECT) * all, const X509_OBJECT *one, bool lists)
{
    X509 *ca = X509_OBJECT_get0_X509(one);
    X509_CRL *list = X509_OBJECT_get0_X509_CRL((X509_OBJECT *)one);
    int64_t in;

    if (list)
        return known_issuer(all, list) ? NULL : "a revocation list is of no CA that is known here";
    if (!ca || X509_check_ca(ca) != 1)
        return "one of the CA's certificates is no CA";
    in = lists ? best_list_ends_in(all, ca) : 0;
    if (in == TRUST_NO_LISTS)
        return "a CA has no revocation list, or one of the future";
    return in < -TRUST_GRACE_S ? "a revocation list has expired, and its day of grace is over" : NULL;
}

bool trust_check_store(X509_STORE *store, bool lists, char err[TRUST_ERR_SIZE])
{
    const STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(store);
    const char *lack = NULL;
    int i;

    for (i = 0; i < sk_X509_OBJECT_num(all) && !lack; i++)
        lack = what_lacks(all, sk_X509_OBJECT_value(all, i), lists);
    if (lack)
        snprintf(err, TRUST_ERR_SIZE, "%s", lack);
    ERR_clear_error();
    return !lack;
}

int64_t trust_lists_end_in(X509_STORE *store)
{
    const STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(store);
    int64_t first = INT32_MAX;

    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
        int64_t in = ca ? best_list_ends_in(all, ca) : INT32_MAX;

        first = in < first ? in : first;
    }
    ERR_clear_error();
    return first;
}

/* ---------------------------------------------------------------- who is it */

static bool for_clients_only(X509 *leaf)
{
    EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(leaf, NID_ext_key_usage, NULL, NULL);
    bool only = X509_check_ca(leaf) == 0 && usage && sk_ASN1_OBJECT_num(usage) == 1 &&
                OBJ_obj2nid(sk_ASN1_OBJECT_value(usage, 0)) == NID_client_auth;

    EXTENDED_KEY_USAGE_free(usage);
    return only;
}

static bool has_p256_key(X509 *leaf)
{
    EVP_PKEY *key = X509_get0_pubkey(leaf);
    char group[32];

    return key && EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
           strcmp(group, SN_X9_62_prime256v1) == 0;
}

static bool copy_printable(const ASN1_IA5STRING *text, char *out, size_t size)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(text);
    int n = ASN1_STRING_length(text);

    if (n < 1 || (size_t)n >= size)
        return false;
    for (int i = 0; i < n; i++)
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return false;
    memcpy(out, bytes, (size_t)n);
    out[n] = '\0';
    return true;
}

static bool only_uri(const GENERAL_NAMES *names, char *uri, size_t size)
{
    const ASN1_IA5STRING *found = NULL;

    if (sk_GENERAL_NAME_num(names) > TRUST_NAMES)
        return false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type != GEN_URI)
            continue;
        if (found)
            return false;
        found = name->d.uniformResourceIdentifier;
    }
    return found && copy_printable(found, uri, size);
}

bool trust_identity(X509 *leaf, char *uri, size_t size)
{
    GENERAL_NAMES *names; /* NULL as well when the extension is there twice */
    bool good;

    if (size)
        uri[0] = '\0';
    if (!leaf || !for_clients_only(leaf))
        return false;
    names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    good = names && only_uri(names, uri, size);
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return good;
}

bool trust_serial(X509 *leaf, char *hex, size_t size)
{
    BIGNUM *n = leaf ? ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL) : NULL;
    char *text = n ? BN_bn2hex(n) : NULL;
    bool fits = text && strlen(text) < size;

    snprintf(hex, size, "%s", fits ? text : "");
    OPENSSL_free(text);
    BN_free(n);
    return fits;
}

/* ---------------------------------------------------------------- verdicts */

/* The day of grace: a timer that failed once must not lock a county out. */
int trust_judge(int good, X509_STORE_CTX *ctx)
{
    const X509_CRL *list = X509_STORE_CTX_get0_current_crl(ctx);

    if (good || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_CRL_HAS_EXPIRED || !list || !list_serves(list))
        return good;
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

int trust_judge_client(int good, X509_STORE_CTX *ctx)
{
    X509 *leaf = X509_STORE_CTX_get_current_cert(ctx);
    char uri[LONGEST_NAME];

    if (!trust_judge(good, ctx))
        return 0;
    if (!good || X509_STORE_CTX_get_error_depth(ctx) != 0)
        return 1;
    if (!for_clients_only(leaf))
        X509_STORE_CTX_set_error(ctx, IS_NOT_CLIENTS);
    else if (!has_p256_key(leaf))
        X509_STORE_CTX_set_error(ctx, KEY_IS_OTHER);
    else if (!trust_identity(leaf, uri, sizeof(uri)))
        X509_STORE_CTX_set_error(ctx, NAMES_NOBODY);
    else
        return 1;
    return 0;
}

long trust_verify(X509_STORE *store, X509 *leaf, STACK_OF(X509) * others, bool client)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    long verdict = X509_V_ERR_OUT_OF_MEM;

    if (ctx && X509_STORE_CTX_init(ctx, store, leaf, others) == 1 &&
        X509_STORE_CTX_set_default(ctx, client ? "ssl_client" : "ssl_server") == 1) {
        X509_VERIFY_PARAM_set_depth(X509_STORE_CTX_get0_param(ctx), TRUST_DEPTH);
        X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx), TRUST_LEVEL);
        X509_STORE_CTX_set_verify_cb(ctx, client ? trust_judge_client : trust_judge);
        if (X509_verify_cert(ctx) == 1)
            verdict = X509_V_OK;
        else if ((verdict = X509_STORE_CTX_get_error(ctx)) == X509_V_OK)
            verdict = X509_V_ERR_UNSPECIFIED;
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return verdict;
}

const char *trust_text(long verdict)
{
    return verdict == NAMES_NOBODY   ? "it names no identity"
           : verdict == KEY_IS_OTHER ? "its key is no P-256 key"
                                     : X509_verify_cert_error_string(verdict);
}

const char *trust_word(long verdict)
{
    switch (verdict) {
    case X509_V_ERR_CERT_REVOKED:
        return "cert_revoked";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "cert_expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "cert_not_yet_valid";
    case NAMES_NOBODY:
        return "cert_no_identity";
    case IS_NOT_CLIENTS:
        return "cert_not_for_clients";
    case KEY_IS_OTHER:
        return "cert_other_key";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "cert_unknown_ca";
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_UNABLE_TO_GET_CRL:
        return "cert_without_list";
    default:
        return "cert_bad";
    }
}
