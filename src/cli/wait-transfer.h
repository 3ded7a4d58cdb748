/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

/* The kinds of wait that are about files: a transfer's end, an offer. */

int wait_transfer (Cli *cli, GError **error);
int wait_offer (Cli *cli, GError **error);
