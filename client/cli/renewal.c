/* SPDX-License-Identifier: Apache-2.0 */
#include "renewal.h"

#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <libintl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define _(text) gettext(text)

#define IDENTITY_SIZE 128

static bool blame(struct renewal *r, const char *what, const char *why)
{
    snprintf(r->err, sizeof r->err, "%s: %s", what, why);
    ERR_clear_error();
    return false;
}

static const char *beside(const char *path, const char *end, char ret[PATH_MAX])
{
    snprintf(ret, PATH_MAX, "%s%s", path, end);
    return ret;
}

/* ---------------------------------------------------------------- reading */

static X509 *read_leaf(const char *path)
{
    FILE *f = fopen(path, "re");
    X509 *leaf = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

    if (f)
        fclose(f);
    ERR_clear_error();
    return leaf;
}

static EVP_PKEY *read_key(const char *path)
{
    FILE *f = fopen(path, "re");
    EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, (char *)"") : NULL;

    if (f)
        fclose(f);
    ERR_clear_error();
    return key;
}

static bool fit(const char *cert, const char *key)
{
    X509 *leaf = read_leaf(cert);
    EVP_PKEY *pair = read_key(key);
    bool good = leaf && pair && X509_check_private_key(leaf, pair) == 1;

    X509_free(leaf);
    EVP_PKEY_free(pair);
    ERR_clear_error();
    return good;
}

bool renewal_ends_in(const char *cert, int64_t *ret_seconds)
{
    X509 *leaf = read_leaf(cert);

    if (!leaf)
        return false;
    *ret_seconds = trust_ends_in(leaf);
    X509_free(leaf);
    return true;
}

/* ---------------------------------------------------------------- writing */

/* Whole on the disk, or not there. */
static bool write_file(struct renewal *r, const char *path, const void *bytes, size_t n, mode_t mode)
{
    bool good;
    int fd;

    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    good = fd >= 0 && write(fd, bytes, n) == (ssize_t)n && fsync(fd) == 0;

    if (fd >= 0 && close(fd) != 0)
        good = false;
    return good || blame(r, path, strerror(errno));
}

static bool move(struct renewal *r, const char *from, const char *to)
{
    return rename(from, to) == 0 || blame(r, to, strerror(errno));
}

/* The certificate goes first: what is left over by a fall between the two is then told from an unfinished request by its
 * fitting key. */
static bool replace(struct renewal *r)
{
    char cert[PATH_MAX], key[PATH_MAX], asked[PATH_MAX];

    if (!move(r, beside(r->cert, ".new", cert), r->cert) || !move(r, beside(r->key, ".new", key), r->key))
        return false;
    unlink(beside(r->cert, ".asked", asked));
    return true;
}

bool renewal_recover(struct renewal *r)
{
    char key[PATH_MAX], asked[PATH_MAX];

    beside(r->key, ".new", key);
    if (access(key, F_OK) != 0 || fit(r->cert, r->key) || !fit(r->cert, key))
        return true;
    if (!move(r, key, r->key))
        return false;
    unlink(beside(r->cert, ".asked", asked));
    return true;
}

void renewal_forget(const struct renewal *r)
{
    char path[PATH_MAX];

    unlink(beside(r->cert, ".asked", path));
    unlink(beside(r->cert, ".new", path));
    unlink(beside(r->key, ".new", path));
}

/* ---------------------------------------------------------------- a request */

bool renewal_asked(const struct renewal *r, char *ret_id, size_t size)
{
    char path[PATH_MAX];
    FILE *f = fopen(beside(r->cert, ".asked", path), "re");
    bool good = f && fgets(ret_id, (int)size, f) != NULL;

    if (f)
        fclose(f);
    if (good)
        ret_id[strcspn(ret_id, "\r\n")] = '\0';
    return good && *ret_id && access(beside(r->key, ".new", path), R_OK) == 0;
}

static bool keep_key(struct renewal *r, EVP_PKEY *key)
{
    char path[PATH_MAX], *text;
    BIO *bio = BIO_new(BIO_s_secmem());
    bool good = bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    long n = good ? BIO_get_mem_data(bio, &text) : 0;

    good = good ? write_file(r, beside(r->key, ".new", path), text, (size_t)n, 0600)
                : blame(r, r->key, _("no memory"));
    BIO_free_all(bio);
    return good;
}

static X509_REQ *request_for(EVP_PKEY *key, X509 *leaf)
{
    X509_REQ *req = X509_REQ_new();

    if (req && X509_REQ_set_subject_name(req, X509_get_subject_name(leaf)) == 1 &&
        X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) > 0)
        return req;
    X509_REQ_free(req);
    return NULL;
}

bool renewal_begin(struct renewal *r, uint8_t csr[RENEWAL_CSR_MOST], size_t *ret_n)
{
    X509 *leaf = read_leaf(r->cert);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *req = leaf && key ? request_for(key, leaf) : NULL;
    int n = req ? i2d_X509_REQ(req, NULL) : 0;
    bool good = n > 0 && n <= RENEWAL_CSR_MOST;

    if (good)
        *ret_n = (size_t)i2d_X509_REQ(req, &(unsigned char *){csr});
    good = good ? keep_key(r, key) : blame(r, r->cert, _("no certificate to renew"));
    X509_REQ_free(req);
    EVP_PKEY_free(key);
    X509_free(leaf);
    return good;
}

bool renewal_note(struct renewal *r, const char *id)
{
    char path[PATH_MAX];

    return write_file(r, beside(r->cert, ".asked", path), id, strlen(id), 0600);
}

/* ---------------------------------------------------------------- the answer */

static bool load_issuers(X509_STORE *store, const char *path)
{
    return store && X509_STORE_load_file(store, path) == 1;
}

/* NULL: the chain holds, and is for who we are. */
static const char *fault_of(const struct renewal *r, const char *path)
{
    char now[IDENTITY_SIZE] = "", then[IDENTITY_SIZE] = "", key[PATH_MAX];
    X509_STORE *store = X509_STORE_new();
    X509 *leaf = read_leaf(path), *old = read_leaf(r->cert);
    const char *fault = NULL;
    long verdict;

    if (!leaf || !old || !load_issuers(store, r->ca))
        fault = _("the certificate can't be read");
    else if (!fit(path, beside(r->key, ".new", key)))
        fault = _("the certificate is not for the new key");
    else if (!trust_identity(leaf, then, sizeof then) || !trust_identity(old, now, sizeof now) ||
             strcmp(now, then) != 0)
        fault = _("the certificate is for somebody else");
    else if ((verdict = trust_verify(store, leaf, NULL, true)) != X509_V_OK)
        fault = trust_text(verdict);
    X509_free(leaf);
    X509_free(old);
    X509_STORE_free(store);
    ERR_clear_error();
    return fault;
}

bool renewal_finish(struct renewal *r, const char *chain)
{
    char path[PATH_MAX];
    const char *fault;

    if (!write_file(r, beside(r->cert, ".new", path), chain, strlen(chain), 0644))
        return false;
    if ((fault = fault_of(r, path))) {
        renewal_forget(r);
        return blame(r, r->cert, fault);
    }
    return replace(r);
}
