/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A fuzz target takes any bytes and aborts where a property does not hold. It is driven by clang's libFuzzer
 * (tests/fuzz/run), and by replay.c over the corpus in each test run. */
int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

#define FUZZ_HEADER \
  "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
