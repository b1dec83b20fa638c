/* SPDX-License-Identifier: Apache-2.0 */
/* Where a watch begins. The registry says whether the place it names is one of this history and still kept; then it
 * waits until this daemon has come as far. The same again for every watch when the history changed. */
#ifndef QIPAN_RESUME_H
#define QIPAN_RESUME_H

#include "hub_internal.h"

/* Answers the call of a fresh watch, sooner or later, at the latest after patience_ms; refused, it is freed. */
void resume_begin(struct watch *w, const Qipan__WatchRequest *request, uint64_t patience_ms);
void resume_look(struct watch *w);  /* a WAITING one: has the hub come as far? */
void resume_again(struct watch *w); /* the history changed */
void resume_drop(struct beginning *b);

/* An answer of no to a watch that hasn't begun: frees it. error NULL: made of code and field. */
void resume_refuse(struct watch *w, const char *code, const char *field, Qipan__Error *error);

/* Is the place of one that stands still kept? The hub's min_rev is set when the answer is known. */
void resume_probe(struct watch *w);

#endif
