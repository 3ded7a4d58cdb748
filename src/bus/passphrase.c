/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/passphrase.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/paths.h"
#include "store/identity.h"

/* What is typed does not show. From a pipe lines are read without a question. */
static gboolean
read_secret (const char *question, char secret[LIMIT_PASSPHRASE + 2])
{
  struct termios normal, silent;
  gboolean person = tcgetattr (STDIN_FILENO, &normal) == 0;
  gboolean got;

  if (person)
    {
      silent = normal;
      silent.c_lflag &= ~(tcflag_t) ECHO;
      tcsetattr (STDIN_FILENO, TCSAFLUSH, &silent);
      fputs (question, stderr);
    }
  got = fgets (secret, LIMIT_PASSPHRASE + 2, stdin) != NULL;
  if (person)
    {
      tcsetattr (STDIN_FILENO, TCSAFLUSH, &normal);
      fputc ('\n', stderr);
    }
  if (got)
    secret[strcspn (secret, "\r\n")] = '\0';
  return got;
}

typedef struct
{
  char old[LIMIT_PASSPHRASE + 2], new[LIMIT_PASSPHRASE + 2], again[LIMIT_PASSPHRASE + 2];
} Secrets;

static gboolean
change (const char *path, Secrets *secrets, GError **error)
{
  g_autoptr (Identity) identity = NULL;
  gboolean locked = identity_is_locked (path, error);

  if (error != NULL && *error != NULL)
    return FALSE;
  if (locked && !read_secret ("Present passphrase: ", secrets->old))
    return FALSE;
  identity = identity_load_or_create (path, locked ? secrets->old : NULL, error);
  if (identity == NULL || !read_secret ("New passphrase (nothing: none): ", secrets->new)
      || !read_secret ("The same again: ", secrets->again))
    return FALSE;
  if (strcmp (secrets->new, secrets->again) != 0)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "these were two different ones\nnothing was changed");
      return FALSE;
    }
  return identity_set_passphrase (identity, locked ? secrets->old : NULL, *secrets->new != '\0' ? secrets->new : NULL, error);
}

gboolean
passphrase_change (GError **error)
{
  g_autofree char *path = paths_identity ();
  Secrets *secrets = sodium_malloc (sizeof *secrets);
  g_autoptr (GError) problem = NULL;
  gboolean done;

  if (secrets == NULL)
    g_error ("no memory that can be locked");
  memset (secrets, 0, sizeof *secrets);
  done = change (path, secrets, &problem);
  sodium_free (secrets);
  if (!done && problem == NULL)
    g_set_error (&problem, HEARBY_ERROR, HEARBY_ERROR_CANCELED, "no passphrase was given\nnothing was changed");
  if (problem != NULL)
    g_propagate_error (error, g_steal_pointer (&problem));
  return done;
}
