/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/file-name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/text.h"

char *
file_name_expand (const char *text)
{
  if (*text != '~' || (text[1] != '/' && text[1] != '\0'))
    return g_strdup (text);
  return g_strconcat (g_get_home_dir (), text + 1, NULL);
}

gboolean
file_name_fail (GError **error, int code, const char *doing, const char *name)
{
  g_autofree char *shown = text_escape (name, TEXT_ESCAPE_LINE);

  g_set_error (error, HEARBY_ERROR,
               code == EACCES || code == EPERM ? HEARBY_ERROR_ACCESS_DENIED
               : code == ENOSPC                ? HEARBY_ERROR_NO_SPACE
                                               : HEARBY_ERROR_FILE_ERROR,
               "cannot %s '%s': %s", doing, shown, g_strerror (code));
  return FALSE;
}

static char *
resolve (const char *path, const char *shown, GError **error)
{
  char *real = realpath (path, NULL);
  char *copy = g_strdup (real);

  int code = errno;

  if (real == NULL)
    file_name_fail (error, code, "find", shown);
  free (real);
  errno = code; /* for who knows better what to say */
  return copy;
}

char *
file_name_absolute (const char *text, GError **error)
{
  g_autofree char *path = file_name_expand (text), *folder = NULL, *base = NULL, *real = NULL;
  gsize len = strlen (path);

  while (len > 1 && path[len - 1] == '/')
    path[--len] = '\0';
  base = g_path_get_basename (path);
  if (*path == '\0' || g_str_equal (base, ".") || g_str_equal (base, "..") || g_str_equal (base, "/"))
    return resolve (path, text, error);
  folder = g_path_get_dirname (path);
  real = resolve (folder, text, error);
  return real != NULL ? g_build_filename (real, base, NULL) : NULL;
}

char *
file_name_folder (const char *text, GError **error)
{
  g_autofree char *path = file_name_expand (text), *real = resolve (path, text, error);
  struct stat status;

  if (*text == '\0')
    {
      g_clear_error (error);
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "the name of the folder is empty\n'.' is the one that you are in");
    }
  else if (real == NULL && errno == ENOENT)
    {
      g_autofree char *word = text_shell_word (path);

      g_clear_error (error);
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FILE_ERROR, "there is no folder %s\n'mkdir %s' makes it", word, word);
    }
  if (real == NULL)
    return NULL;
  if (stat (real, &status) != 0 || !S_ISDIR (status.st_mode))
    {
      file_name_fail (error, ENOTDIR, "write to", text);
      return NULL;
    }
  return g_steal_pointer (&real);
}

void
file_name_dict_insert (GVariantDict *dict, const char *key, const char *path)
{
  g_autofree char *bytes_key = g_strconcat (key, "_bytes", NULL);

  if (g_utf8_validate (path, -1, NULL))
    g_variant_dict_insert (dict, key, "s", path);
  else
    g_variant_dict_insert_value (dict, bytes_key, g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, path, strlen (path), 1));
}
