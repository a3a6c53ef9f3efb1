/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "ca/ca_http.h"

int main(void)
{
    return 0;
}
