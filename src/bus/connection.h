/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/sdbus.h"

/* One D-Bus connection in the main loop, with bounds: who does not read what we say is closed, and who does not read our answers is not
 * asked for more questions. */

typedef struct _Connection Connection;

/* Called once, from the loop, when the connection is no more; free it there. */
typedef void (*ConnectionClosed) (Connection *connection, gpointer user_data);

/* connection_new_private: somebody on our own socket, @fd (taken, non-blocking), who still has to say who he is (EXTERNAL).
 * connection_new_bus: to the bus at @address. Both call @handle (an sd_bus_message_handler_t) for each method call, any path. NULL with
 * @error. */
Connection *connection_new_private (int fd, sd_bus_message_handler_t handle, ConnectionClosed closed, gpointer user_data, GError **error);
Connection *connection_new_bus (const char *address, sd_bus_message_handler_t handle, ConnectionClosed closed, gpointer user_data,
                                GError **error);
void        connection_free (Connection *connection); /* what was not written yet is lost */

sd_bus *connection_bus (Connection *connection); /* borrowed */

/* connection_send: @message may be of another connection, and go to many; @text: bytes of the long text in it. */
void     connection_send (Connection *connection, sd_bus_message *message, gsize text);
gboolean connection_is_ready (Connection *connection);   /* authenticated, and on a bus greeted */
gboolean connection_is_written (Connection *connection); /* all that was sent has left us */
