/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_log.h"
#include "est_config.h"

#include <http_log.h>

APLOG_USE_MODULE(est);

int est_log_level(est_log_level_t level)
{
    static const int levels[] = {
        [EST_LOG_DEBUG] = APLOG_DEBUG,     [EST_LOG_INFO] = APLOG_INFO, [EST_LOG_NOTICE] = APLOG_NOTICE,
        [EST_LOG_WARNING] = APLOG_WARNING, [EST_LOG_ERROR] = APLOG_ERR,
    };

    return levels[level];
}

void est_log_error(server_rec *s, est_log_level_t level, const est_err_t *err, const char *more)
{
    ap_log_error(APLOG_MARK, APLOG_STARTUP | est_log_level(level), 0, s, "mod_est: EST%d: %s%s%s",
                 est_err_row(err->code)->id, est_err_text(err), more ? "; " : "", more ? more : "");
}
