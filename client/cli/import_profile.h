/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings that the registry keeps for an office: found again by their name or by the headings of a sheet. */
#ifndef QIPAN_IMPORT_PROFILE_H
#define QIPAN_IMPORT_PROFILE_H

#include "cli.h"

#define PROFILE_DIGEST 65 /* hex digits and the end */

/* Of the headings, as messages Profile have it. False when memory is out. */
bool profile_digest(char *const *headers, size_t n, char ret[PROFILE_DIGEST]);

/* The profile of that name or, with name NULL, for those headings. 0 with the map in *ret_map (to be freed; NULL = there is none)
 * and the name in *ret_name (in the arena), or an exit code after a report. `kind` NULL: of any. */
int profile_find(struct cli *cli, const char *name, const char *headers, const char *kind, char **ret_map,
                 const char **ret_name);

/* Keeps a map under the name that a file's name gives, and says so. What can't be kept is a warning: the import stands. */
void profile_remember(struct cli *cli, const char *file, const char *kind, const char *headers,
                      const char *map);

#endif
