/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disco/child-frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static const char *const shapes[] = {
  [CHILD_FRAME_CONFIG] = "(asas)", [CHILD_FRAME_PUBLISH] = "(sqaayau)", [CHILD_FRAME_UPDATE] = "(aay)",
  [CHILD_FRAME_WITHDRAW] = "()",   [CHILD_FRAME_REFRESH] = "(s)",       [CHILD_FRAME_READY] = "(s)",
  [CHILD_FRAME_FAILED] = "(s)",    [CHILD_FRAME_REFUSED] = "(s)",       [CHILD_FRAME_ESTABLISHED] = "(s)",
  [CHILD_FRAME_COLLISION] = "(s)", [CHILD_FRAME_SEEN] = "(suiayqaay)",  [CHILD_FRAME_GONE] = "(sui)",
  [CHILD_FRAME_SETTLED] = "()",    [CHILD_FRAME_LINKS] = "()",          [CHILD_FRAME_LOG] = "(s)",
};

G_STATIC_ASSERT (G_N_ELEMENTS (shapes) == CHILD_FRAME_LAST);

gboolean
child_frame_send (int fd, ChildFrame kind, GVariant *body)
{
  g_autoptr (GVariant) tuple = g_variant_ref_sink (body != NULL ? body : g_variant_new ("()"));
  guint8 head = (guint8) kind;
  struct iovec parts[]
      = { { &head, 1 }, { (gpointer) g_variant_get_data (tuple), g_variant_get_size (tuple) } };
  struct msghdr message = { .msg_iov = parts, .msg_iovlen = G_N_ELEMENTS (parts) };
  gssize n;

  g_return_val_if_fail (g_variant_is_of_type (tuple, G_VARIANT_TYPE (shapes[kind])), FALSE);
  if (parts[1].iov_len + 1 > CHILD_FRAME_MAX)
    {
      errno = EMSGSIZE;
      return FALSE;
    }
  do
    n = sendmsg (fd, &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n >= 0;
}

ChildFrameResult
child_frame_receive (int fd, ChildFrame *kind, GVariant **body)
{
  g_autoptr (GBytes) bytes = NULL;
  guint8 frame[CHILD_FRAME_MAX];
  gssize n;

  do
    n = recv (fd, frame, sizeof frame, MSG_DONTWAIT | MSG_TRUNC);
  while (n < 0 && errno == EINTR);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return CHILD_FRAME_LATER;
  if (n < 1 || (gsize) n > sizeof frame || frame[0] >= CHILD_FRAME_LAST)
    return CHILD_FRAME_END;
  *kind = frame[0];
  bytes = g_bytes_new (frame + 1, (gsize) n - 1);
  *body = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (shapes[*kind]), bytes, FALSE));
  if (g_variant_is_normal_form (*body))
    return CHILD_FRAME_GOT;
  g_clear_pointer (body, g_variant_unref);
  return CHILD_FRAME_END;
}

GVariant *
child_frame_from_txt (GPtrArray *txt)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aay"));
  for (guint i = 0; txt != NULL && i < txt->len; i++)
    {
      gsize size;
      gconstpointer data = g_bytes_get_data (txt->pdata[i], &size);

      g_variant_builder_add_value (&builder, g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, size, 1));
    }
  return g_variant_builder_end (&builder);
}

GPtrArray *
child_frame_to_txt (GVariant *strings)
{
  GPtrArray *txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  GVariantIter iter;
  GVariant *string;

  g_variant_iter_init (&iter, strings);
  while ((string = g_variant_iter_next_value (&iter)) != NULL)
    {
      gsize size;
      gconstpointer data = g_variant_get_fixed_array (string, &size, 1);

      g_ptr_array_add (txt, g_bytes_new (data, size));
      g_variant_unref (string);
    }
  return txt;
}
