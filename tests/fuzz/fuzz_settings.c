/* SPDX-License-Identifier: Apache-2.0 */
/* Settings files of the daemon and of the client (the first byte chooses): all or nothing, with a sentence. */
#include "config.h"
#include "fuzz.h"
#include "fuzz_file.h"
#include "settings.h"

#include <string.h>

static void as_daemon(const char *path)
{
    struct config config;
    char err[CONFIG_ERR_SIZE] = "";

    if (!config_load(path, &config, err)) {
        MUST(*err && strlen(err) < sizeof err);
        return;
    }
    MUST(config.ca[0] && config.cert[0] && config.key[0] && config.max_connections > 0);
    config_free(&config);
}

static void as_client(const char *path)
{
    struct settings settings;
    char err[SETTINGS_ERR_SIZE] = "";

    if (!settings_read(path, &settings, err)) {
        MUST(*err && strlen(err) < sizeof err);
        return;
    }
    MUST(settings.n_contexts > 0 && settings.n_contexts <= SETTINGS_MAX_CONTEXTS);
    for (size_t i = 0; i < settings.n_contexts; i++) {
        MUST(settings.contexts[i].address && settings.contexts[i].key);
        MUST(settings_choose(&settings, settings.contexts[i].name, err));
    }
    (void)settings_choose(&settings, "nobody", err);
    settings_free(&settings);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char path[64];
    int fd;

    if (n == 0 || (fd = fuzz_file(bytes + 1, n - 1, path)) < 0)
        return 0;
    (bytes[0] & 1 ? as_daemon : as_client)(path);
    close(fd);
    return 0;
}
