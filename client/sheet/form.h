/* SPDX-License-Identifier: Apache-2.0 */
/* What a text in a sheet looks like: a figure, a sum, a numbered heading, a unit. Pure functions of keys: texts folded to
 * half width, without blanks and line breaks. */
#ifndef QIPAN_FORM_H
#define QIPAN_FORM_H

#include <stdbool.h>
#include <stddef.h>

#define FORM_KEY 256 /* longer texts are cut: they are no headers, sums or headings */

/* Returns the bytes it would have had without the cut. */
size_t form_key(const char *text, char *out, size_t size);

bool form_is_figure(const char *key);  /* a number, a date, a range of them */
bool form_is_ordinal(const char *key); /* header of running numbers: 序号 */
bool form_is_unit(const char *key);    /* 万元, (亩), 个 */

/* A sum: 合计, 小计(3个), 工业项目小计, 其中:工业. *ret_whole: the text says nothing else. */
bool form_is_sum(const char *key, bool *ret_whole);

/* Numbering of a heading: 1 for 一、 or 一, 2 for (一), 3 for 1. and (1); 0 = none. *ret_rest: what stands behind it. */
int form_level(const char *text, const char **ret_rest);

bool form_is_remark(const char *key);  /* what stands around a table: 注:… 填表人:… 单位:万元 */
bool form_is_again(const char *key);   /* 续表, 第2页 */
bool form_is_example(const char *key); /* 示例, 例:…, …… */
bool form_is_advice(const char *key);  /* below a header, on how to fill its column: 必填, 格式:… */

/* The unit that advice names: 必填,万元. The whole text when that is not clear (如:100万元), NULL when it names none. */
const char *form_advice_unit(const char *key);

#define FORM_UNIT 32

/* Of a text that names units (单位:万元、亩; 项目表(万元); 万元): of money and of area, "" = none. False when there is none. What is no
 * unit of yuan is kept as it is (万美元, 10万元), and so are two (元、万元): amounts in it are refused. */
bool form_units(const char *key, char money[FORM_UNIT], char area[FORM_UNIT]);

/* Without the marks people put around a header that must be filled: *项目名称, ★项目名称. */
void form_cut_marks(char *key);

/* Cuts the unit at the end of a header off: 总投资(万元), 投资额/亿元. NULL = none. */
char *form_cut_unit(char *key);
/* Cuts off what stands in brackets at the end: 建设内容(50字以内). NULL = nothing. */
char *form_cut_brackets(char *key);

#endif
