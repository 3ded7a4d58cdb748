/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: what was sealed is opened the same in whatever slices it comes; everything else breaks the channel at
 * that record, and only a close ends it. */
#include "secure/record.h"

#include <sodium.h>
#include <string.h>

#include "base/error.h"
#include "slices.h"

static const Cipher fresh = { { 7, 7, 7 }, 0, TRUE };

static void
seal (RecordSealer *sealer, RecordType type, gsize len, GByteArray *out)
{
  g_autofree guint8 *content = g_malloc (len + 1);
  g_autoptr (GError) error = NULL;

  memset (content, (int)len, len);
  record_seal (sealer, type, content, len, out, &error);
  g_assert_no_error (error);
}

static char *
read_log (GByteArray *wire, guint slicing)
{
  g_autoptr (RecordOpener) opener = record_opener_new (&fresh);
  Slices slices = slices_new (slicing);
  GString *log = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  RecordEvent event;

  for (gsize at = 0; at < wire->len;)
    {
      gsize part = slices_next (&slices, wire->len - at);

      record_opener_push (opener, wire->data + at, part);
      while (record_opener_next (opener, &event, NULL))
        {
          for (gsize i = 0; i < event.len; i++)
            g_assert_cmpuint (event.content[i], ==, (guint8)event.len);
          g_string_append_printf (log, "%d:%" G_GSIZE_FORMAT " ", event.type, event.len);
        }
      at += part;
    }
  slices_clear (&slices);
  record_opener_end (opener, &error);
  g_string_append (log, error != NULL ? error->message : "ended");
  return g_string_free (log, FALSE);
}

static void
assert_log (GByteArray *wire, const char *expected)
{
  for (guint slicing = 0; slicing < SLICINGS; slicing++)
    {
      g_autofree char *log = read_log (wire, slicing);

      g_assert_cmpstr (log, ==, expected);
    }
}

static void
test_slices (void)
{
  g_autoptr (RecordSealer) sealer = record_sealer_new (&fresh);
  g_autoptr (GByteArray) wire = g_byte_array_new ();

  seal (sealer, RECORD_DATA, 0, wire);
  seal (sealer, RECORD_DATA, 1, wire);
  seal (sealer, RECORD_PADDING, 300, wire);
  seal (sealer, RECORD_DATA, RECORD_CONTENT, wire);
  seal (sealer, RECORD_DATA, 5000, wire);
  assert_log (wire, "1:0 1:1 1:65516 1:5000 the channel was cut: there was no close");
  seal (sealer, RECORD_CLOSE, 1, wire);
  assert_log (wire, "1:0 1:1 1:65516 1:5000 2:1 ended");
  g_byte_array_append (wire, (const guint8 *)"x", 1);
  assert_log (wire, "1:0 1:1 1:65516 1:5000 2:1 there are bytes behind the end of the channel");
}

/* A plaintext that no sealer of ours makes. */
static void
append_raw (Cipher *cipher, const guint8 *plaintext, gsize len, GByteArray *wire)
{
  g_autofree guint8 *sealed = g_malloc (len + CIPHER_TAG);
  guint8 header[] = { (guint8)((len + CIPHER_TAG) >> 8), (guint8)(len + CIPHER_TAG) };

  g_assert_true (cipher_encrypt (cipher, NULL, 0, plaintext, len, sealed));
  cipher_rekey (cipher);
  g_byte_array_append (wire, header, sizeof header);
  g_byte_array_append (wire, sealed, (guint)(len + CIPHER_TAG));
}

static void
test_plaintexts (void)
{
  static const struct
  {
    guint8 plaintext[8];
    gsize len;
    const char *log;
  } cases[] = {
    { { 1, 0, 0 }, 3, "1:0 the channel was cut: there was no close" }, /* the sizes are the sender's affair */
    { { 1, 0, 2, 2, 2 }, 5, "1:2 the channel was cut: there was no close" },
    { { 1, 0, 2, 2, 2, 0, 0 }, 7, "1:2 the channel was cut: there was no close" },
    { { 0, 0, 2, 2, 2, 0, 0 }, 7, "the channel was cut: there was no close" },
    { { 1, 0, 3, 2, 2 }, 5, "a record is shorter than it says" },
    { { 1, 1, 2, 2, 2 }, 5, "a record is shorter than it says" },
    { { 1, 0, 2, 2, 2, 0, 1 }, 7, "a record's padding is not zero" },
    { { 1, 0, 2, 2, 2, 1, 1 }, 7, "a record's padding is not zero" },
    { { 1, 0, 2, 2, 2, 1 }, 6, "a record's padding is not zero" },
    { { 0, 0, 2, 2, 2, 0, 1 }, 7, "a record's padding is not zero" },
    { { 3, 0, 0 }, 3, "a record is of no known type" },
    { { 255, 0, 0 }, 3, "a record is of no known type" },
    { { 2, 0, 0 }, 3, "a close has not one byte" },
    { { 2, 0, 1, 1 }, 4, "2:1 ended" },
    { { 2, 0, 2, 2, 2 }, 5, "a close has not one byte" },
    { { 1, 0 }, 2, "a record is too short" },
    { { 1 }, 0, "a record is too short" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GByteArray) wire = g_byte_array_new ();
      Cipher cipher = fresh;

      append_raw (&cipher, cases[i].plaintext, cases[i].len, wire);
      assert_log (wire, cases[i].log);
    }
}

static void
test_longest (void)
{
  g_autofree guint8 *plaintext = g_malloc0 (RECORD_PLAINTEXT);
  g_autoptr (GByteArray) wire = g_byte_array_new ();
  Cipher cipher = fresh;

  memcpy (plaintext, (const guint8[]){ 1, 0, 1, 1 }, 4);
  append_raw (&cipher, plaintext, RECORD_PLAINTEXT, wire);
  g_assert_cmpuint (wire->len, ==, RECORD_WIRE);
  assert_log (wire, "1:1 the channel was cut: there was no close");
}

/* Lost, repeated, swapped, of the other direction: the first that is not the next one ends it. */
static void
test_order (void)
{
  static const struct
  {
    guint order[3];
    const char *log;
  } cases[] = {
    { { 0, 1, 2 }, "1:1 1:2 1:3 the channel was cut: there was no close" },
    { { 0, 2, 1 }, "1:1 a record is not authentic" },
    { { 1, 0, 2 }, "a record is not authentic" },
    { { 0, 0, 1 }, "1:1 a record is not authentic" },
  };
  g_autoptr (RecordSealer) sealer = record_sealer_new (&fresh);
  GByteArray *records[3];

  for (guint i = 0; i < 3; i++)
    {
      records[i] = g_byte_array_new ();
      seal (sealer, RECORD_DATA, i + 1, records[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GByteArray) wire = g_byte_array_new ();

      for (guint k = 0; k < 3; k++)
        g_byte_array_append (wire, records[cases[i].order[k]]->data, records[cases[i].order[k]]->len);
      assert_log (wire, cases[i].log);
    }
  for (guint i = 0; i < 3; i++)
    g_byte_array_unref (records[i]);
}

static void
test_flips (void)
{
  g_autoptr (RecordSealer) sealer = record_sealer_new (&fresh);
  g_autoptr (GByteArray) wire = g_byte_array_new ();

  seal (sealer, RECORD_DATA, 1, wire);
  for (guint bit = 0; bit < wire->len * 8; bit++)
    {
      g_autofree char *log = NULL;

      wire->data[bit / 8] ^= (guint8)(1 << bit % 8);
      log = read_log (wire, 0);
      wire->data[bit / 8] ^= (guint8)(1 << bit % 8);
      g_assert_false (g_str_has_prefix (log, "1:"));
    }
}

static void
test_cut (void)
{
  g_autoptr (RecordSealer) sealer = record_sealer_new (&fresh);
  g_autoptr (GByteArray) wire = g_byte_array_new ();

  seal (sealer, RECORD_CLOSE, 1, wire);
  for (guint len = wire->len - 1; len > 0; len--)
    {
      g_autofree char *log = NULL;

      g_byte_array_set_size (wire, len);
      log = read_log (wire, 0);
      g_assert_cmpstr (log, ==, "the channel was cut: there was no close");
    }
}

static void
test_stays_dead (void)
{
  g_autoptr (RecordSealer) sealer = record_sealer_new (&fresh);
  g_autoptr (RecordOpener) opener = record_opener_new (&fresh);
  g_autoptr (GByteArray) wire = g_byte_array_new ();
  g_autoptr (GError) first = NULL;
  g_autoptr (GError) second = NULL;
  RecordEvent event;

  seal (sealer, RECORD_DATA, 1, wire);
  record_opener_push (opener, (const guint8[]){ 0, 18 }, 2);
  g_assert_false (record_opener_next (opener, &event, &first));
  record_opener_push (opener, wire->data, wire->len);
  g_assert_false (record_opener_next (opener, &event, &second));
  g_assert_error (first, HEARBY_ERROR, HEARBY_ERROR_FAILED);
  g_assert_cmpstr (first->message, ==, second->message);
  g_assert_false (record_opener_end (opener, NULL));
}

static void
test_sealer_refuses (void)
{
  g_autoptr (RecordSealer) sealer = record_sealer_new (&fresh);
  g_autoptr (GByteArray) wire = g_byte_array_new ();
  g_autofree guint8 *content = g_malloc0 (RECORD_CONTENT + 1);
  g_autoptr (GError) error = NULL;

  g_assert_false (record_seal (sealer, RECORD_DATA, content, RECORD_CONTENT + 1, wire, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT);
  g_assert_false (record_seal (sealer, RECORD_CLOSE, content, 0, wire, NULL));
  g_assert_false (record_seal (sealer, RECORD_CLOSE, content, 2, wire, NULL));
  g_assert_false (record_seal (sealer, (RecordType)3, content, 1, wire, NULL));
  g_assert_cmpuint (wire->len, ==, 0);
  g_assert_true (record_seal_close (sealer, 1, wire, NULL)); /* nothing was counted */
  assert_log (wire, "2:1 ended");
  g_clear_error (&error);
  g_assert_false (record_seal (sealer, RECORD_DATA, content, 1, wire, &error));
  g_assert_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED);
  g_assert_cmpuint (wire->len, ==, 274);
}

static void
test_nonces_end (void)
{
  Cipher last = { { 1 }, G_MAXUINT64 - 1, TRUE };
  g_autoptr (RecordSealer) sealer = record_sealer_new (&last);
  g_autoptr (RecordOpener) opener = record_opener_new (&last);
  g_autoptr (GByteArray) wire = g_byte_array_new ();
  RecordEvent event;

  g_assert_true (record_seal (sealer, RECORD_DATA, "x", 1, wire, NULL));
  g_assert_false (record_seal (sealer, RECORD_DATA, "x", 1, wire, NULL));
  g_assert_cmpuint (wire->len, ==, 274);
  record_opener_push (opener, wire->data, wire->len);
  g_assert_true (record_opener_next (opener, &event, NULL));
  record_opener_push (opener, wire->data, wire->len);
  g_assert_false (record_opener_next (opener, &event, NULL));
}

/* Bulk: the same bytes on the wire as by copying, and the same events out of it, cut anywhere, the first part pushed. */
static void
test_in_place (void)
{
  static const gsize lengths[] = { 0, 1, 300, RECORD_CONTENT, 7 };
  g_autoptr (RecordSealer) copying = record_sealer_new (&fresh);
  g_autoptr (RecordSealer) sealer = record_sealer_new (&fresh);
  g_autoptr (GByteArray) copied = g_byte_array_new ();
  g_autofree guint8 *wire = g_malloc (G_N_ELEMENTS (lengths) * RECORD_WIRE);
  gsize len = 0;

  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      seal (copying, RECORD_DATA, lengths[i], copied);
      memset (wire + len + RECORD_CONTENT_AT, (int)lengths[i], lengths[i]);
      len += record_seal_in_place (sealer, RECORD_DATA, wire + len, lengths[i], NULL);
    }
  g_assert_cmpmem (wire, len, copied->data, copied->len);
  for (gsize cut = 0; cut < 1000; cut++)
    {
      g_autoptr (RecordOpener) opener = record_opener_new (&fresh);
      g_autofree guint8 *buffer = g_memdup2 (wire, len);
      RecordEvent event;
      gsize at = 0;
      guint n = 0;

      record_opener_push (opener, wire, cut);
      while (record_opener_next (opener, &event, NULL))
        at += 2 + record_padded_size (lengths[n++]) + CIPHER_TAG;
      g_assert_cmpuint (record_opener_take (opener, buffer + at, RECORD_WIRE), ==, cut - at);
      g_assert_cmpuint (record_opener_take (opener, buffer + at, RECORD_WIRE), ==, 0);
      for (; at < len; n++)
        {
          gsize used = record_open_in_place (opener, buffer + at, len - at, &event, NULL);

          g_assert_cmpuint (used, >, 0);
          g_assert_true (event.content == buffer + at + RECORD_CONTENT_AT);
          g_assert_cmpuint (event.len, ==, lengths[n]);
          for (gsize i = 0; i < event.len; i++)
            g_assert_cmpuint (event.content[i], ==, (guint8)event.len);
          at += used;
        }
      g_assert_cmpuint (n, ==, G_N_ELEMENTS (lengths));
    }
}

static void
test_in_place_refuses (void)
{
  g_autoptr (RecordSealer) sealer = record_sealer_new (&fresh);
  g_autoptr (RecordOpener) opener = record_opener_new (&fresh);
  g_autoptr (GError) first = NULL;
  g_autoptr (GError) second = NULL;
  guint8 wire[RECORD_CONTENT_AT + 256 + CIPHER_TAG];
  RecordEvent event;
  gsize len;

  g_assert_cmpuint (record_seal_in_place (sealer, RECORD_DATA, wire, RECORD_CONTENT + 1, NULL), ==, 0);
  len = record_seal_in_place (sealer, RECORD_PADDING, wire, 0, NULL);
  g_assert_cmpuint (len, ==, 274);
  for (gsize part = 0; part < len; part++)
    g_assert_cmpuint (record_open_in_place (opener, wire, part, &event, &first), ==, 0);
  g_assert_no_error (first);
  g_assert_cmpuint (record_open_in_place (opener, wire, len, &event, &first), ==, len);
  g_assert_cmpint (event.type, ==, RECORD_PADDING);
  g_assert_cmpuint (record_open_in_place (opener, wire, len, &event, &first), ==, 0); /* it was the first record */
  g_assert_error (first, HEARBY_ERROR, HEARBY_ERROR_FAILED);
  g_assert_cmpuint (record_open_in_place (opener, wire, 0, &event, &second), ==, 0);
  g_assert_cmpstr (first->message, ==, second->message);
}

static void
test_padding (void)
{
  static const gsize sizes[][2] = {
    { 0, 256 },       { 253, 256 },     { 254, 512 },   { 509, 512 },     { 510, 1024 },
    { 4093, 4096 },   { 4094, 8192 },   { 8189, 8192 }, { 8190, 12288 },  { 61437, 61440 },
    { 61438, 65519 }, { 65516, 65519 }, { 65517, 0 },   { G_MAXSIZE, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    g_assert_cmpuint (record_padded_size (sizes[i][0]), ==, sizes[i][1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sodium_init (), >=, 0);
  g_test_add_func ("/record/slices", test_slices);
  g_test_add_func ("/record/plaintexts", test_plaintexts);
  g_test_add_func ("/record/longest", test_longest);
  g_test_add_func ("/record/order", test_order);
  g_test_add_func ("/record/flips", test_flips);
  g_test_add_func ("/record/cut", test_cut);
  g_test_add_func ("/record/stays-dead", test_stays_dead);
  g_test_add_func ("/record/sealer-refuses", test_sealer_refuses);
  g_test_add_func ("/record/nonces-end", test_nonces_end);
  g_test_add_func ("/record/in-place", test_in_place);
  g_test_add_func ("/record/in-place-refuses", test_in_place_refuses);
  g_test_add_func ("/record/padding", test_padding);
  return g_test_run ();
}
