/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "base/est_env.h"

typedef struct {
    int lines;
    est_log_level_t level;
    char line[4096];
} sink_t;

static void keep(const est_env_t *env, est_log_level_t level, const char *line)
{
    sink_t *sink = env->log_ctx;
    sink->lines++;
    sink->level = level;
    apr_cpystrn(sink->line, line, sizeof(sink->line));
}

static void test_a_line_is_formatted_and_passed_on(void **state)
{
    (void)state;
    sink_t sink = {0};
    est_env_t env = {NULL, NULL, keep, &sink};
    est_env_log(&env, EST_LOG_WARNING, "policy version %d of %s", 7, "node");
    assert_int_equal(sink.lines, 1);
    assert_int_equal(sink.level, EST_LOG_WARNING);
    assert_string_equal(sink.line, "policy version 7 of node");
}

static void test_a_long_line_is_cut(void **state)
{
    (void)state;
    sink_t sink = {0};
    est_env_t env = {NULL, NULL, keep, &sink};
    char *x = apr_palloc(pool, 5001);
    memset(x, 'x', 5000);
    x[5000] = '\0';
    est_env_log(&env, EST_LOG_INFO, "%s", x);
    assert_int_equal(sink.lines, 1);
    assert_int_equal(strlen(sink.line), 2047);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_a_line_is_formatted_and_passed_on),
        EST_TEST(test_a_long_line_is_cut),
    };
    return EST_TEST_RUN(tests);
}
