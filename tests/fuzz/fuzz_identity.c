/* SPDX-License-Identifier: Apache-2.0 */
/* Whose certificate is this? Any bytes that parse as one. */
#include "fuzz.h"
#include "tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const unsigned char *p = bytes;
    X509 *cert = d2i_X509(NULL, &p, (long)n);
    char uri[64];

    if (cert && trust_identity(cert, uri, sizeof(uri))) {
        MUST(uri[0] && memchr(uri, '\0', sizeof(uri)));
        for (const char *c = uri; *c; c++)
            MUST(*c > ' ' && *c <= '~');
    }
    X509_free(cert);
    ERR_clear_error();
    return 0;
}
