/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: what a fuzzer once found stays fixed. Every file of a corpus runs whole and cut after each of its
 * bytes. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static gboolean
replay_file (const char *path)
{
  g_autofree char *content = NULL;
  g_autoptr (GError) error = NULL;
  gsize len;

  if (!g_file_get_contents (path, &content, &len, &error))
    {
      g_printerr ("%s\n", error->message);
      return FALSE;
    }
  for (gsize part = len > 4096 ? len : 0; part <= len; part++)
    {
      g_autofree guint8 *exact = g_memdup2 (content, part); /* so that a sanitizer sees its end */

      LLVMFuzzerTestOneInput (exact != NULL ? exact : (const guint8 *) "", part);
    }
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GDir) dir = argc == 2 ? g_dir_open (argv[1], 0, NULL) : NULL;
  const char *name;
  guint files = 0;

  if (dir == NULL)
    {
      g_printerr ("usage: %s CORPUS\n", argv[0]);
      return EXIT_FAILURE;
    }
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (argv[1], name, NULL);

      if (!replay_file (path))
        return EXIT_FAILURE;
      files++;
    }
  g_print ("%u files\n", files);
  return files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
