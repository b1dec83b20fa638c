/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as the parts of a workbook whose archive is whole: sheet, texts, styles, workbook, separated by two bytes FF, which stand
 * in no XML. What is missing is a small one of our own. */
#include "fuzz_file.h"
#include "fuzz_grid.h"

#include <zip.h>

#define MAIN "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
#define RELS "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
#define PACK "http://schemas.openxmlformats.org/package/2006/relationships"

enum { SHEET, TEXTS, STYLES, BOOK, PARTS };

static const struct {
    const char *name, *content;
} parts[] = {
    {"xl/s.xml", "<worksheet xmlns='" MAIN "'><sheetData/></worksheet>"},
    {"xl/t.xml", "<sst xmlns='" MAIN "'><si><t>a</t></si></sst>"},
    {"xl/f.xml",
     "<styleSheet xmlns='" MAIN "'><cellXfs><xf numFmtId='0'/><xf numFmtId='14'/></cellXfs></styleSheet>"},
    {"xl/b.xml",
     "<workbook xmlns='" MAIN "' xmlns:r='" RELS "'><sheets><sheet name='a' r:id='s'/></sheets></workbook>"},
    {"_rels/.rels", "<Relationships xmlns='" PACK
                    "'><Relationship Id='b' Type='/officeDocument' Target='xl/b.xml'/></Relationships>"},
    {"xl/_rels/b.xml.rels",
     "<Relationships xmlns='" PACK "'><Relationship Id='s' Type='/worksheet' Target='s.xml'/>"
     "<Relationship Id='t' Type='/sharedStrings' Target='t.xml'/><Relationship Id='f' Type='/styles' "
     "Target='f.xml'/></Relationships>"},
};

static void add(zip_t *zip, size_t i, const void *bytes, size_t n)
{
    zip_source_t *source = zip_source_buffer(zip, bytes, n, 0);

    MUST(source);
    zip_int64_t at = zip_file_add(zip, parts[i].name, source, 0);
    MUST(at >= 0 && zip_set_file_compression(zip, (zip_uint64_t)at, ZIP_CM_STORE, 0) == 0);
}

static FILE *archive(const uint8_t *data, size_t size)
{
    zip_source_t *to = zip_source_buffer_create(NULL, 0, 0, NULL);
    zip_t *zip = zip_open_from_source(to, ZIP_TRUNCATE, NULL);
    zip_stat_t st;

    MUST(zip);
    zip_source_keep(to);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const uint8_t *end = i < PARTS ? memmem(data, size, "\xFF\xFF", 2) : NULL;
        size_t n = end ? (size_t)(end - data) : size;
        if (i < PARTS && n) {
            add(zip, i, data, n);
        } else {
            add(zip, i, parts[i].content, strlen(parts[i].content));
        }
        if (i < PARTS) {
            data += n + (end ? 2 : 0);
            size -= n + (end ? 2 : 0);
        }
    }
    MUST(zip_close(zip) == 0 && zip_source_stat(to, &st) == 0 && zip_source_open(to) == 0);
    uint8_t *bytes = malloc(st.size);
    MUST(bytes && zip_source_read(to, bytes, st.size) == (zip_int64_t)st.size);
    zip_source_close(to);
    zip_source_free(to);
    char path[64];
    int fd = fuzz_file(bytes, st.size, path);
    free(bytes);
    return fd < 0 ? NULL : fdopen(fd, "rb");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FILE *f = archive(data, size);

    if (f) {
        rewind(f);
        fuzz_grid(f);
    }
    return 0;
}
