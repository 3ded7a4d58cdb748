/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: a commitment opens only with its own nonce, role, keys and stream; the code hangs on all of them too,
 * and is taken as people type it. */
#include "secure/sas.h"

#include <sodium.h>
#include <string.h>

/* Everything that goes into it, so that each part can be changed alone. */
typedef struct
{
  guint8 hash[SYMMETRIC_HASH];
  guint8 initiator[X25519_KEY];
  guint8 responder[X25519_KEY];
  guint8 nonces[2][SAS_NONCE];
} Parts;

static Parts
parts_new (void)
{
  Parts parts;

  for (guint i = 0; i < sizeof parts; i++)
    ((guint8 *)&parts)[i] = (guint8)(i * 5 + 1);
  return parts;
}

static SasStream
stream_of (const Parts *parts)
{
  return (SasStream){ parts->hash, parts->initiator, parts->responder };
}

static void
test_commitment (void)
{
  Parts parts = parts_new ();
  SasStream stream = stream_of (&parts);
  guint8 commit[SAS_COMMIT];

  sas_commit (&stream, SAS_INITIATOR, parts.nonces[0], commit);
  g_assert_true (sas_is_opening (&stream, SAS_INITIATOR, parts.nonces[0], commit));
  g_assert_false (sas_is_opening (&stream, SAS_RESPONDER, parts.nonces[0], commit)); /* reflected */
  for (guint i = 0; i < G_STRUCT_OFFSET (Parts, nonces) + SAS_NONCE; i++)
    {
      ((guint8 *)&parts)[i] ^= 1;
      g_assert_false (sas_is_opening (&stream, SAS_INITIATOR, parts.nonces[0], commit));
      ((guint8 *)&parts)[i] ^= 1;
    }
  commit[31] ^= 0x80;
  g_assert_false (sas_is_opening (&stream, SAS_INITIATOR, parts.nonces[0], commit));
}

static void
test_code (void)
{
  Parts parts = parts_new ();
  SasStream stream = stream_of (&parts);
  char code[SAS_CODE], other[SAS_CODE];

  sas_code (&stream, parts.nonces[0], parts.nonces[1], code);
  g_assert_true (g_regex_match_simple ("^[1-9]\\d{3} [1-9]\\d{3} [1-9]\\d{3}$", code, 0, 0));
  for (guint i = 0; i < sizeof parts; i++)
    {
      ((guint8 *)&parts)[i] ^= 1;
      sas_code (&stream, parts.nonces[0], parts.nonces[1], other);
      g_assert_cmpstr (code, !=, other);
      ((guint8 *)&parts)[i] ^= 1;
    }
  sas_code (&stream, parts.nonces[1], parts.nonces[0], other);
  g_assert_cmpstr (code, !=, other);
}

/* Each of the three numbers reaches from 1000 to 9191. */
static void
test_range (void)
{
  Parts parts = parts_new ();
  SasStream stream = stream_of (&parts);
  guint least[3] = { 9999, 9999, 9999 }, most[3] = { 0 };

  for (guint i = 0; i < 20000; i++)
    {
      char code[SAS_CODE];

      memcpy (parts.nonces[0], &i, sizeof i);
      sas_code (&stream, parts.nonces[0], parts.nonces[1], code);
      for (guint k = 0; k < 3; k++)
        {
          guint number = (guint)g_ascii_strtoull (code + 5 * k, NULL, 10);

          least[k] = MIN (least[k], number);
          most[k] = MAX (most[k], number);
        }
    }
  for (guint k = 0; k < 3; k++)
    {
      g_assert_cmpuint (least[k], >=, 1000);
      g_assert_cmpuint (least[k], <, 1100);
      g_assert_cmpuint (most[k], <=, 9191);
      g_assert_cmpuint (most[k], >, 9091);
    }
}

static void
test_typed (void)
{
  static const struct
  {
    const char *typed;
    gboolean good, any;
  } cases[] = {
    { "4821 7390 1264", TRUE, TRUE },
    { "482173901264", TRUE, TRUE },
    { " 4821-7390-1264 ", TRUE, TRUE },
    { "4821 7390 1265", FALSE, TRUE },
    { "4821 7390", FALSE, FALSE },
    { "4821 7390 12644", FALSE, FALSE },
    { "", FALSE, FALSE },
    { "4821 7390 126x", FALSE, FALSE },
    { "yes", FALSE, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_assert_true (sas_is_code ("4821 7390 1264", cases[i].typed) == cases[i].good);
      g_assert_true (sas_is_any_code (cases[i].typed) == cases[i].any);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  g_test_add_func ("/sas/commitment", test_commitment);
  g_test_add_func ("/sas/code", test_code);
  g_test_add_func ("/sas/range", test_range);
  g_test_add_func ("/sas/typed", test_typed);
  return g_test_run ();
}
