/* SPDX-License-Identifier: Apache-2.0 */
/* The client's settings file: an ini file with a section per context.
 *
 *     [client]
 *     default_context = chengguan
 *     lang = zh
 *
 *     [context chengguan]
 *     address = 10.0.0.1:7465, 10.0.0.2:7465
 *     ca = /etc/qipan/ca.pem
 *     cert = /etc/qipan/chengguan.pem
 *     key = /etc/qipan/chengguan.key
 *     crl = /etc/qipan/crl.pem
 *
 * A relative path is relative to the folder of the file. */
#ifndef QIPAN_SETTINGS_H
#define QIPAN_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#define SETTINGS_MAX_CONTEXTS 256
#define SETTINGS_ERR_SIZE     512

struct settings_context {
    char *name;
    char *address, *ca, *cert, *key, *crl; /* crl may be NULL */
};

struct settings {
    char *path;
    char *default_context; /* NULL: the only context there is */
    char *lang;            /* NULL: not said */
    struct settings_context *contexts;
    size_t n_contexts;
};

/* Path of the settings file: QIPAN_CONFIG, else $XDG_CONFIG_HOME/qipan/qipan.ini, else ~/.config/qipan/qipan.ini.
 * To be freed; NULL when there is no home. */
char *settings_path(void);

/* False with a sentence in err; the config is empty then. */
bool settings_read(const char *path, struct settings *ret_settings, char err[SETTINGS_ERR_SIZE]);
void settings_free(struct settings *settings); /* zeroed ones too */

/* By name; NULL = the default. NULL with a sentence in err. */
const struct settings_context *settings_choose(const struct settings *settings, const char *name,
                                               char err[SETTINGS_ERR_SIZE]);

#endif
