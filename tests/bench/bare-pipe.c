/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The least that an encrypted copy can cost: a file, records of 64 KiB sealed by libsodium with a new key after each, TCP, opened,
 * a file. No handshake, no names, no limits, no resume, nothing synced: what others are measured against.
 *
 *   bare-pipe receive PORT FILE [clear]           says "ready", then takes one connection; ends when FILE is whole
 *   bare-pipe send ADDRESS PORT FILE [clear]      ends when the other side has written everything
 *
 * clear: raw TCP, without the cipher. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define KEY crypto_aead_chacha20poly1305_ietf_KEYBYTES
#define NONCE crypto_aead_chacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_chacha20poly1305_ietf_ABYTES
#define TEXT 65519                  /* of one record */
#define SEALED (2 + TEXT + TAG)     /* the same on the wire, behind its length */
#define RECORDS 4                   /* in one system call */

typedef struct
{
  unsigned char key[KEY];
  uint64_t      n;
} Pipe;

static unsigned char buffer[RECORDS * SEALED];

static _Noreturn void
fail (const char *what)
{
  fprintf (stderr, "bare-pipe: %s: %s\n", what, strerror (errno));
  exit (1);
}

static void
make_nonce (unsigned char nonce[NONCE], uint64_t n)
{
  memset (nonce, 0, NONCE);
  for (int i = 0; i < 8; i++)
    nonce[4 + i] = (unsigned char) (n >> (8 * i));
}

/* The key of the next record is made of the key of this one. */
static void
rekey (Pipe *pipe)
{
  static const unsigned char zeros[KEY];
  unsigned char              nonce[NONCE], out[KEY + TAG];

  make_nonce (nonce, UINT64_MAX);
  crypto_aead_chacha20poly1305_ietf_encrypt (out, NULL, zeros, KEY, NULL, 0, NULL, nonce, pipe->key);
  memcpy (pipe->key, out, KEY);
}

/* In place: the text is at @record + 2. */
static size_t
seal (Pipe *pipe, unsigned char *record, size_t len)
{
  unsigned char nonce[NONCE];

  make_nonce (nonce, pipe->n++);
  crypto_aead_chacha20poly1305_ietf_encrypt (record + 2, NULL, record + 2, len, NULL, 0, NULL, nonce, pipe->key);
  rekey (pipe);
  record[0] = (unsigned char) ((len + TAG) >> 8);
  record[1] = (unsigned char) (len + TAG);
  return 2 + len + TAG;
}

static void
open_one (Pipe *pipe, unsigned char *sealed, size_t len)
{
  unsigned char nonce[NONCE];

  make_nonce (nonce, pipe->n++);
  if (len < TAG || crypto_aead_chacha20poly1305_ietf_decrypt (sealed, NULL, NULL, sealed, len, NULL, 0, nonce, pipe->key) != 0)
    fail ("opening");
  rekey (pipe);
}

static void
write_all (int fd, const unsigned char *bytes, size_t len)
{
  while (len > 0)
    {
      ssize_t written = write (fd, bytes, len);

      if (written < 0)
        fail ("write");
      bytes += written;
      len -= (size_t) written;
    }
}

/* Whole records, where the file has as much. */
static size_t
seal_some (Pipe *pipe, int file)
{
  struct iovec parts[RECORDS];
  ssize_t      got;
  size_t       out = 0;

  for (int i = 0; i < RECORDS; i++)
    parts[i] = (struct iovec) { buffer + i * SEALED + 2, TEXT };
  got = readv (file, parts, RECORDS);
  if (got < 0)
    fail ("reading the file");
  for (size_t left = (size_t) got; left > 0; left -= left < TEXT ? left : TEXT)
    out += seal (pipe, buffer + out, left < TEXT ? left : TEXT);
  return out;
}

static void
send_sealed (int socket, int file)
{
  Pipe   pipe = { .key = { 1 } };
  size_t len;

  while ((len = seal_some (&pipe, file)) > 0)
    write_all (socket, buffer, len);
}

static void
send_clear (int socket, int file)
{
  ssize_t len;

  while ((len = read (file, buffer, sizeof buffer)) > 0)
    write_all (socket, buffer, (size_t) len);
}

/* Writes what the whole records at @bytes say; how much of @len they are. */
static size_t
open_some (Pipe *pipe, int file, unsigned char *bytes, size_t len)
{
  struct iovec parts[RECORDS + 1];
  ssize_t      wanted = 0;
  size_t       used = 0;
  int          n = 0;

  while (n <= RECORDS && len - used >= 2)
    {
      size_t sealed = (size_t) bytes[used] << 8 | bytes[used + 1];

      if (len - used < 2 + sealed)
        break;
      open_one (pipe, bytes + used + 2, sealed);
      parts[n++] = (struct iovec) { bytes + used + 2, sealed - TAG };
      wanted += (ssize_t) (sealed - TAG);
      used += 2 + sealed;
    }
  if (n > 0 && writev (file, parts, n) != wanted)
    fail ("writing the file");
  return used;
}

static void
receive_sealed (int socket, int file)
{
  Pipe    pipe = { .key = { 1 } };
  size_t  have = 0, used;
  ssize_t len;

  while ((len = read (socket, buffer + have, sizeof buffer - have)) > 0)
    {
      have += (size_t) len;
      used = open_some (&pipe, file, buffer, have);
      memmove (buffer, buffer + used, have - used);
      have -= used;
    }
  if (len < 0 || have > 0)
    fail ("receiving");
}

static void
receive_clear (int socket, int file)
{
  ssize_t len;

  while ((len = read (socket, buffer, sizeof buffer)) > 0)
    write_all (file, buffer, (size_t) len);
  if (len < 0)
    fail ("receiving");
}

static int
call (const char *address, const char *port)
{
  struct sockaddr_in where = { .sin_family = AF_INET, .sin_port = htons ((uint16_t) atoi (port)) };
  int                fd = socket (AF_INET, SOCK_STREAM, 0);

  if (inet_pton (AF_INET, address, &where.sin_addr) != 1 || connect (fd, (struct sockaddr *) &where, sizeof where) < 0)
    fail (address);
  return fd;
}

static int
answer (const char *port)
{
  struct sockaddr_in where = { .sin_family = AF_INET, .sin_port = htons ((uint16_t) atoi (port)) };
  int                fd = socket (AF_INET, SOCK_STREAM, 0), yes = 1;

  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind (fd, (struct sockaddr *) &where, sizeof where) < 0 || listen (fd, 1) < 0)
    fail (port);
  puts ("ready");
  fflush (stdout);
  fd = accept (fd, NULL, NULL);
  if (fd < 0)
    fail ("accept");
  return fd;
}

static void
run_sender (char **argv, int clear)
{
  int  file = open (argv[4], O_RDONLY), socket;
  char end;

  if (file < 0)
    fail (argv[4]);
  socket = call (argv[2], argv[3]);
  if (clear)
    send_clear (socket, file);
  else
    send_sealed (socket, file);
  shutdown (socket, SHUT_WR);
  if (read (socket, &end, 1) != 1)
    fail ("the other side");
}

static void
run_receiver (char **argv, int clear)
{
  int file = open (argv[3], O_WRONLY | O_CREAT | O_EXCL, 0600), socket;

  if (file < 0)
    fail (argv[3]);
  socket = answer (argv[2]);
  if (clear)
    receive_clear (socket, file);
  else
    receive_sealed (socket, file);
  close (file);
  write_all (socket, (const unsigned char *) "", 1);
}

int
main (int argc, char **argv)
{
  int receiving = argc > 3 && strcmp (argv[1], "receive") == 0;
  int sending = argc > 4 && strcmp (argv[1], "send") == 0;
  int clear = strcmp (argv[argc - 1], "clear") == 0;

  if (sodium_init () < 0 || argc - clear != (receiving ? 4 : 5) || (!receiving && !sending))
    {
      fprintf (stderr, "usage: bare-pipe receive PORT FILE [clear] | send ADDRESS PORT FILE [clear]\n");
      return 2;
    }
  if (receiving)
    run_receiver (argv, clear);
  else
    run_sender (argv, clear);
  return 0;
}
