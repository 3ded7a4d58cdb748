#!/usr/bin/python3
"""Files are offered by name and by descriptor, taken into folders and descriptors, and their objects tell the truth to the end."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import contextlib
import os
import subprocess
import sys
import time
from types import SimpleNamespace
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from hearbyfiles import hurry, slow_down, wait_names
from hearbytest import PEER, TRANSFER, BusError, equal
from messagebus import MessageBus
from transfers import Pair, content_of, offers_of, properties

MANY = 16                       # descriptors in one call
NAMED = 64                      # names in an offer
SHOWN, SHOWN_TEXT = 1000, 128 * 1024
HUGE = 256 << 20


def refusal(function, *args, **options):
    """The name of the error, or None."""
    try:
        function(*args, **options)
    except BusError as error:
        return error.name
    return None


def held(pair, person):
    """What a daemon has open of the test's folder and pipes."""
    links = []
    for fd in set(os.listdir('/proc/%d/fd' % person.daemon.pid)) - {'0', '1', '2'}:
        with contextlib.suppress(FileNotFoundError):     # closed meanwhile
            links.append(os.readlink('/proc/%d/fd/%s' % (person.daemon.pid, fd)))
    ours = {os.readlink('/proc/self/fd/%s' % fd) for fd in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/%s' % fd)}
    return [link for link in links if link.startswith(pair.stage.folder + '/files') or (link.startswith('pipe:') and link in ours)]


def test_by_name(stage):
    """A file and a folder arrive as they are, in a folder that the receiver names."""
    pair = Pair(stage)
    path = pair.make('report.pdf', b'%PDF' * 5000)
    folder = pair.make_folder('photos', {'a.jpg': b'a' * 100000, 'inner/b.jpg': b'', '.hidden': b'h'})
    sent = pair.send_paths([path, folder + '/'])
    came = pair.offer()
    equal(came['Name'], '2 files')
    equal([(name, size, more) for name, size, _, more in came['Files']],
          [('report.pdf', 20000, {}), ('photos', 100001, {'folder': True})])
    equal((came['State'], came['Direction'], came['Size'], came['Transferred'], came['Destination'], came['Paths']),
          ('offered', 'in', 120001, 0, '', []))
    target = pair.target()
    pair.accept(folder=target)
    pair.wait_finished(sent)
    equal(content_of(target), {**content_of(folder, 'photos/'), 'report.pdf': b'%PDF' * 5000})
    done = properties(pair.romeo_bus, pair.offered)
    equal((done['State'], done['Reason'], done['Transferred'], done['Destination'], sorted(done['Paths'])),
          ('complete', '', 120001, target, sorted([target + '/photos', target + '/report.pdf'])))
    equal(properties(pair.juliet_bus, sent)['State'], 'complete')


def test_modes(stage):
    """What is received is made with the umask that the user had at the daemon's start, and what is the daemon's own is not."""
    pair = Pair(stage, start=False)
    before = os.umask(0o027)
    try:
        pair.start()
    finally:
        os.umask(before)
    folder = pair.make_folder('tree', {'read': b'', 'run': b''})
    for path, mode in ((folder, 0o777), (folder + '/read', 0o664), (folder + '/run', 0o4775)):
        os.chmod(path, mode)
    sent = pair.send_paths([folder, folder + '/run'])
    pair.offer()
    target = pair.target()
    pair.accept(folder=target)
    equal(pair.wait_finished(sent), ['complete', ''])
    modes = [os.stat(os.path.join(target, name)).st_mode & 0o7777 for name in ('tree', 'tree/read', 'tree/run', 'run')]
    equal([oct(mode) for mode in modes], ['0o750', '0o640', '0o750', '0o640'])
    sent = pair.send_paths([folder])
    pair.offer()
    pair.accept()                                               # where nobody named a folder one is made
    pair.wait_finished(sent)
    equal(oct(os.stat(pair.romeo.home + '/Downloads').st_mode & 0o7777), '0o750')
    data = pair.romeo.home + '/.local/share/hearby'
    for name in os.listdir(data):
        mode = os.stat(os.path.join(data, name)).st_mode
        equal(mode & 0o077, 0, name)


def test_by_descriptor(stage):
    """Files, folders and what comes out of a pipe, under the names that the caller gives; into a folder and into a pipe."""
    pair = Pair(stage)
    path = pair.make('secret name', b'x' * 70000)
    folder = pair.make_folder('tree', {'one': b'1', 'two/three': b'33'})
    with open(path, 'rb') as file:
        file.seek(1000)                                         # it is sent from its beginning all the same
        fd = os.open(folder, os.O_RDONLY)
        sent = pair.send_files([(file, 'report.bin', {}), (fd, 'copies', {})])
        os.close(fd)
    os.unlink(path)
    pair.offer()
    target = pair.target()
    fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    pair.accept(folder_fd=('h', fd))
    os.close(fd)
    pair.wait_finished(sent)
    equal(content_of(target), {'report.bin': b'x' * 70000, **content_of(folder, 'copies/')})

    theirs, ours = os.pipe()
    sent = pair.send_files([(theirs, 'stream', {})])
    os.close(theirs)
    came = pair.offer()
    equal((came['Size'], came['Files'][0][:2]), (-1, ('stream', -1)))
    end, out = os.pipe()
    pair.romeo_bus.call(pair.offered, TRANSFER, 'AcceptToFd', 'ha{sv}', out, {})
    os.close(out)
    os.write(ours, b'through the air')
    os.close(ours)
    with open(end, 'rb') as file:
        equal(file.read(), b'through the air')
    pair.wait_finished(sent)
    equal(properties(pair.romeo_bus, pair.offered)['Paths'], [])
    equal(held(pair, pair.juliet) + held(pair, pair.romeo), [], 'descriptors of what is over')
    equal([properties(bus, path)['Size'] for bus, path in ((pair.juliet_bus, sent), (pair.romeo_bus, pair.offered))], [15, 15])


def test_descriptor_that_is_closed(stage):
    """Who stops reading or writing in the middle ends it, on both sides, in words; who reads slowly does not."""
    pair = Pair(stage)
    path = pair.make('big', os.urandom(1 << 20) * 8)
    for enough in (1 << 20, 8 << 20):
        sent = pair.send_paths([path])
        pair.offer()
        end, out = os.pipe()
        pair.romeo_bus.call(pair.offered, TRANSFER, 'AcceptToFd', 'ha{sv}', out, {})
        os.close(out)
        with open(end, 'rb') as file:
            got = file.read(enough)
        with open(path, 'rb') as file:
            equal(got == file.read(enough), True, 'what came')
        wanted = ['complete', ''] if enough == 8 << 20 else ['failed', 'file-error']
        equal(pair.wait_finished(pair.offered, pair.romeo_bus), wanted)
        equal(pair.wait_finished(sent), wanted)
        equal(properties(pair.romeo_bus, pair.offered)['Error'][0], 'FileError' if wanted[0] == 'failed' else '')
    equal(held(pair, pair.romeo), [], 'descriptors of what is over')


def test_forgotten_on_the_way(stage):
    """With the peer go its transfers: the other side is told, and nothing of them stays."""
    pair = Pair(stage)
    for side in ('receiver', 'sender'):
        theirs, ours = os.pipe()
        os.write(ours, b'x' * 60000)
        sent = pair.send_files([(theirs, 'stream', {})])
        os.close(theirs)
        pair.offer()
        target = pair.target()
        pair.accept(folder=target)
        sides = [(pair.romeo_bus, pair.offered, pair.juliet_path), (pair.juliet_bus, sent, pair.romeo_path)]
        (bus, path, peer), (other, their_path, _) = sides if side == 'receiver' else sides[::-1]
        wait_state(bus, path, 'active')
        bus.call(peer, PEER, 'Forget', 'a{sv}', {})
        bus.wait_signal(lambda m: m.member == 'InterfacesRemoved' and m.args == [path, [TRANSFER]])
        equal(pair.wait_finished(their_path, other), ['canceled', 'peer-canceled'], 'at the other end of the ' + side)
        equal(offers_of(bus), [])
        if side == 'receiver':
            wait_names(target, [])
        os.close(ours)
        pair.meet()


def test_two_receivers(stage):
    """A transfer for each, in their order; what one says is not the other's. A pipe is for one."""
    pair = Pair(stage)
    nurse = stage.person(stage.host('verona'), 'nurse')
    nurse_bus = nurse.on_bus()
    nurse_bus.manager('Announce', 'a{sv}', {})
    pair.juliet_bus.wait_peer(nurse, Online=True)
    to = [pair.juliet_bus.find(nurse), pair.romeo_path]
    pipe, end = os.pipe()
    assert refusal(pair.juliet_bus.manager, 'SendFiles', 'aoa(hsa{sv})a{sv}', to, [(pipe, 'x', {})], {}) in ('InvalidArgument', 'NotSupported')
    with open(pair.make('file', b'content')) as file:
        hers, his = pair.juliet_bus.manager('SendFiles', 'aoa(hsa{sv})a{sv}', to, [(file, 'file', {})], {'batch': 'both'})[0]
    equal([properties(pair.juliet_bus, path)['Peer'] for path in (hers, his)], to)
    path = nurse_bus.wait_signal(lambda m: m.member == 'InterfacesAdded' and TRANSFER in m.args[1] and m.args[0])
    pair.offer()
    nurse_bus.call(path, TRANSFER, 'Reject', 'a{sv}', {})
    equal(pair.wait_finished(hers), ['rejected', 'declined'])
    target = pair.target()
    pair.accept(folder=target)
    equal(pair.wait_finished(his), ['complete', ''])
    equal(content_of(target), {'file': b'content'})
    rows = pair.juliet_bus.manager('ListTransfers', 'a{sv}', {'peers': ('ao', to)})[0]
    equal([(row['batch'], row['state'], row['peer_name']) for row in rows], [('both', 'rejected', 'nurse'), ('both', 'complete', 'romeo')])


def test_more_than_is_shown(stage):
    """All of them arrive; lists of them are cut, and the numbers tell."""
    pair = Pair(stage)
    for count, shown, pad in ((SHOWN, SHOWN, 5), (SHOWN + 1, SHOWN, 5), (SHOWN_TEXT // 200, None, 200)):
        paths = [pair.make('%d/%0*d' % (pad, pad, i), b'') for i in range(count)]
        sent = pair.send_paths(paths)
        came = pair.offer()
        equal((len(came['Files']), came['NamedCount'], came['FileCount'], came['EntryCount']), (NAMED, count, count, count))
        target = pair.target()
        pair.accept(folder=target)
        equal(pair.wait_finished(sent), ['complete', ''])
        equal(len(os.listdir(target)), count)
        there = properties(pair.romeo_bus, pair.offered)['Paths']
        equal(len(there), shown or SHOWN_TEXT // len(there[0]))
        equal(all(os.path.dirname(path) == target for path in there), True)


def test_what_is_refused(stage):
    """Before anything is stored, with the right word."""
    pair = Pair(stage)
    bus, to = pair.juliet_bus, [pair.romeo_path]
    path = pair.make('there', b'x')
    paths = [
        (['there'], {}, 'InvalidArgument'), (['./there'], {}, 'InvalidArgument'), ([''], {}, 'InvalidArgument'), ([], {}, 'InvalidArgument'),
        (['~/there'], {}, 'InvalidArgument'), (['/'], {}, 'InvalidArgument'), ([path + '/..'], {}, 'InvalidArgument'),
        (['/' + 'x' * 5000], {}, 'InvalidArgument'), ([path + '.not'], {}, 'FileError'), ([path, path + '.not'], {}, 'FileError'),
        ([path], {'links': 'perhaps'}, 'InvalidArgument'), ([path], {'batch': 'x' * 65}, 'InvalidArgument'),
        ([path], {'name': 'a/b'}, 'InvalidArgument'), ([path], {'name': '..'}, 'InvalidArgument'),
        ([path, path], {'name': 'one'}, 'InvalidArgument'), ([], {'path_bytes': ('aay', [b'no/root'])}, 'InvalidArgument'),
        ([], {'path_bytes': ('aay', [b'/a\0b'])}, 'InvalidArgument'), ([path], {'!nonsense': ('b', True)}, 'InvalidArgument'),
    ]
    for names, options, wanted in paths:
        equal(refusal(bus.manager, 'SendPaths', 'aoasa{sv}', to, names, options), wanted, '%.200r, %r' % (names, options))
    pipe, end = os.pipe()
    files = {fd: os.open(path, flags) for fd, flags in (('r', os.O_RDONLY), ('w', os.O_WRONLY), ('p', os.O_PATH))}
    descriptors = [
        ([], 'InvalidArgument'), ([(files['r'], '', {})], 'InvalidArgument'), ([(files['r'], '.', {})], 'InvalidArgument'),
        ([(files['r'], '../x', {})], 'InvalidArgument'), ([(files['r'], 'x' * 256, {})], 'InvalidArgument'),
        ([(files['w'], 'x', {})], 'InvalidArgument'), ([(files['p'], 'x', {})], 'InvalidArgument'), ([(end, 'x', {})], 'InvalidArgument'),
        ([(pipe, 'x', {}), (files['r'], 'y', {})], 'InvalidArgument'), ([(files['r'], 'x', {})] * (MANY + 1), 'InvalidArgument'),
    ]
    for given, wanted in descriptors:
        equal(refusal(bus.manager, 'SendFiles', 'aoa(hsa{sv})a{sv}', to, given, {}), wanted, given)
    equal(offers_of(pair.juliet_bus), [], 'after all that was refused')
    equal(held(pair, pair.juliet), [], 'descriptors of what was refused')
    sent = pair.send_files([(files['r'], str(i) * 255, {}) for i in range(10)] + [(files['r'], 'file %d' % i, {}) for i in range(MANY - 10)],
                           batch='b' * 64)
    equal([name for name, *_ in pair.offer()['Files']], [str(i) * 255 for i in range(10)] + ['file %d' % i for i in range(MANY - 10)])
    equal(properties(pair.juliet_bus, sent)['Batch'], 'b' * 64)
    target = pair.make('no folder', b'')
    for options, wanted in (({'folder': 'relative'}, 'InvalidArgument'), ({'folder': target}, 'FileError'),
                            ({'folder': target + '.not'}, 'FileError'), ({'folder_fd': ('h', files['r'])}, 'InvalidArgument'),
                            ({'folder': pair.folder, 'folder_fd': ('h', files['r'])}, 'InvalidArgument')):
        equal(refusal(pair.accept, **options), wanted, options)
    for fd in (files['r'], files['p'], pipe):
        equal(refusal(pair.romeo_bus.call, pair.offered, TRANSFER, 'AcceptToFd', 'ha{sv}', fd, {}), 'InvalidArgument')
    equal(refusal(pair.romeo_bus.call, pair.offered, TRANSFER, 'AcceptToFd', 'ha{sv}', end, {}), 'NotSupported')
    equal(properties(pair.romeo_bus, pair.offered)['State'], 'offered')
    equal(held(pair, pair.romeo), [], 'descriptors of what was refused')
    equal(len(held(pair, pair.juliet)), MANY)
    pair.romeo_bus.call(pair.offered, TRANSFER, 'Reject', 'a{sv}', {})
    pair.wait_finished(sent)
    equal(held(pair, pair.juliet), [], 'descriptors of what is over')


def test_bytes_that_are_no_text(stage):
    """Paths cross as bytes where they are not UTF-8, both ways."""
    pair = Pair(stage)
    path = os.fsencode(pair.folder) + b'/na\xefve'
    with open(path, 'wb') as file:
        file.write(b'content')
    sent = pair.juliet_bus.manager('SendPaths', 'aoasa{sv}', [pair.romeo_path], [], {'path_bytes': ('aay', [path])})[0][0]
    equal(pair.offer()['Name'], 'na\ufffdve')
    target = os.fsencode(pair.target()) + b'/b\xfccher'
    os.mkdir(target)
    pair.accept(folder_bytes=('ay', target))
    pair.wait_finished(sent)
    done = properties(pair.romeo_bus, pair.offered)
    equal((done['Destination'], bytes(done['DestinationBytes'])), (target.decode(errors='replace'), target))
    final, = (bytes(name) for name in done['PathsBytes'])
    equal((os.path.dirname(final), done['Paths']), (target, [final.decode(errors='replace')]))
    with open(final, 'rb') as file:
        equal(file.read(), b'content')


def test_the_same_key(stage):
    """Twice with one key is once; the same also tells which it was after the end."""
    pair = Pair(stage)
    path = pair.make('once', b'x')
    sent = pair.send_paths([path], id='backup')
    equal(pair.send_paths([path], id='backup'), sent)
    pair.offer()
    pair.accept(folder=pair.target())
    pair.wait_finished(sent)
    equal(pair.send_paths([path], id='backup'), sent)
    rows = pair.juliet_bus.manager('ListTransfers', 'a{sv}', {'key': 'backup'})[0]
    equal([(row['transfer'], row['state'], row['peer'], row['name'], row['transferred'], row['encrypted']) for row in rows],
          [(sent, 'complete', pair.romeo_path, 'once', 1, True)])
    equal(pair.juliet_bus.manager('ListTransfers', 'a{sv}', {'ids': ('at', [rows[0]['id'], 4711])})[0], rows)
    equal(pair.juliet_bus.manager('ListTransfers', 'a{sv}', {'open': ('b', True)})[0], [])


def test_progress(stage):
    """At most 4 times a second, growing, and all final values before Finished, which comes once."""
    pair = Pair(stage)
    with open(os.path.join(pair.folder, 'big'), 'wb') as file:
        file.truncate(HUGE)
    sent = pair.send_paths([file.name])
    pair.offer()
    begin = time.monotonic()
    pair.accept(folder=pair.target())
    seconds = 0
    for bus, path in ((pair.juliet_bus, sent), (pair.romeo_bus, pair.offered)):
        values, progress = follow(bus, path)
        seconds = seconds or time.monotonic() - begin
        equal((values['State'], values['Transferred'], values['Rate'], values['Error']), ('complete', HUGE, 0, ('', '')))
        equal({key: properties(bus, path)[key] for key in values}, values, 'what was told, and what is there')
        equal([signal.args for signal in bus.signals if signal.path == path], [], 'what came after Finished')
        assert len(progress) <= 4 * seconds + 1, '%d times in %.1f s' % (len(progress), seconds)
        equal(progress, sorted(progress), 'progress')
    equal(properties(pair.romeo_bus, pair.offered)['Size'], HUGE)


def follow(bus, path):
    """To Finished: the last value of all that was signalled, and how much was transferred at the signals of nothing but progress."""
    values, progress = {}, []

    def match(message):
        if message.path == path and message.member == 'PropertiesChanged':
            values.update(message.args[1])
            if 'State' not in message.args[1] and 'Transferred' in message.args[1]:
                progress.append(message.args[1]['Transferred'])
        return message.path == path and message.member == 'Finished' and message.args
    equal(bus.wait_signal(match), ['complete', '', ''])
    return values, progress


def test_reject_and_cancel(stage):
    """The words on both sides; what is over cannot be done again, and the same again does no harm."""
    pair = Pair(stage)
    path = pair.make('file', b'x' * 1000)
    sent = pair.send_paths([path])
    pair.offer()
    pair.romeo_bus.call(pair.offered, TRANSFER, 'Reject', 'a{sv}', {})
    equal(pair.wait_finished(sent), ['rejected', 'declined'])
    pair.romeo_bus.call(pair.offered, TRANSFER, 'Reject', 'a{sv}', {})
    equal(properties(pair.juliet_bus, sent)['Error'][0], 'Rejected')
    for member in ('Accept', 'Pause', 'Resume', 'Cancel'):
        equal(refusal(pair.romeo_bus.call, pair.offered, TRANSFER, member, 'a{sv}', {}), 'Failed', member)
    sent = pair.send_paths([path])
    pair.offer()
    for member in ('Accept', 'Reject'):
        assert refusal(pair.juliet_bus.call, sent, TRANSFER, member, 'a{sv}', {}) in ('InvalidArgument', 'Failed')
    pair.juliet_bus.call(sent, TRANSFER, 'Cancel', 'a{sv}', {})
    equal(pair.wait_finished(sent), ['canceled', 'canceled'])
    equal(pair.wait_finished(pair.offered, pair.romeo_bus), ['canceled', 'peer-canceled'])
    equal(refusal(pair.romeo_bus.call, pair.offered, TRANSFER, 'Accept', 'a{sv}', {}), 'Failed')


def wait_state(bus, path, state, reason=''):
    """Until a transfer is so."""
    values = properties(bus, path)

    def match(message):
        if message.member == 'PropertiesChanged' and message.path == path:
            values.update(message.args[1])
        return (values['State'], values['Reason']) == (state, reason)
    if not match(SimpleNamespace(member=None)):
        bus.wait_signal(match)


def test_pause_and_resume(stage):
    """Both sides know who paused, who did not cannot go on, and then all of it arrives."""
    pair = Pair(stage)
    path = pair.make('big', os.urandom(1 << 20))
    with open(path, 'ab') as file:
        file.truncate(HUGE)
    slow_down(pair.juliet.host, '80mbit')
    sent = pair.send_paths([path])
    pair.offer()
    target = pair.target()
    pair.accept(folder=target)
    sides = [(pair.juliet_bus, sent), (pair.romeo_bus, pair.offered)]
    for us, them in (sides, sides[::-1]):
        for side in sides:
            wait_state(*side, 'active')
        us[0].call(us[1], TRANSFER, 'Pause', 'a{sv}', {})
        us[0].call(us[1], TRANSFER, 'Pause', 'a{sv}', {})
        wait_state(*us, 'paused', 'paused')
        wait_state(*them, 'paused', 'peer-paused')
        equal([properties(*side)['Rate'] for side in sides], [0, 0])
        equal(refusal(them[0].call, them[1], TRANSFER, 'Resume', 'a{sv}', {}), 'Failed')
        us[0].call(us[1], TRANSFER, 'Resume', 'a{sv}', {})
    for side in sides:
        wait_state(*side, 'active')
    for us, them in (sides, sides[::-1]):       # both, and each ends his own
        us[0].call(us[1], TRANSFER, 'Pause', 'a{sv}', {})
        wait_state(*them, 'paused', 'peer-paused')
        them[0].call(them[1], TRANSFER, 'Pause', 'a{sv}', {})
        for side in sides:
            wait_state(*side, 'paused', 'paused')
        us[0].call(us[1], TRANSFER, 'Resume', 'a{sv}', {})
        wait_state(*us, 'paused', 'peer-paused')
        them[0].call(them[1], TRANSFER, 'Resume', 'a{sv}', {})
        for side in sides:
            wait_state(*side, 'active')
    hurry(pair.juliet.host)
    equal(pair.wait_finished(sent), ['complete', ''])
    subprocess.check_call(['cmp', path, target + '/big'])
    theirs, ours = os.pipe()
    sent = pair.send_files([(theirs, 'stream', {})])
    os.close(theirs)
    pair.offer()
    equal(refusal(pair.juliet_bus.call, sent, TRANSFER, 'Pause', 'a{sv}', {}), 'NotSupported')
    os.close(ours)


def test_what_failed(stage):
    """The rest arrives; what could not be offered is listed at the sender's, and only that is offered again."""
    pair = Pair(stage)
    folder = pair.make_folder('tree', {'one': b'1', 'deep/two': b'2'})
    os.symlink('../../outside', folder + '/deep/link')
    sent = pair.send_paths([folder])
    pair.offer()
    target = pair.target()
    pair.accept(folder=target)
    equal(pair.wait_finished(sent), ['complete', 'partial'])
    for bus, path, reason, failures in ((pair.juliet_bus, sent, 'partial', [('tree/deep/link', 'unsafe-link')]),
                                        (pair.romeo_bus, pair.offered, '', [])):
        done = properties(bus, path)
        equal((done['State'], done['Reason'], done['Error'][0], done['Failures']), ('complete', reason, reason.title(), failures))
    row = pair.juliet_bus.manager('ListTransfers', 'a{sv}', {'ids': ('at', [int(sent.rpartition('/')[2])])})[0][0]
    equal((row['reason'], row['error_name'], row['failures']), ('partial', 'Partial', [('tree/deep/link', 'unsafe-link')]))
    equal(content_of(target), {'tree/one': b'1', 'tree/deep/two': b'2'})
    os.unlink(folder + '/deep/link')
    pair.make('tree/deep/link', b'a file now')
    again, = pair.juliet_bus.manager('RetryTransfer', 'ta{sv}', int(sent.rpartition('/')[2]), {})
    equal([name for name, *_ in pair.offer()['Files']], ['link'])
    pair.accept(folder=target)
    equal(pair.wait_finished(again), ['complete', ''])
    equal(content_of(target)['link'], b'a file now')
    equal(refusal(pair.juliet_bus.manager, 'RetryTransfer', 'ta{sv}', int(again.rpartition('/')[2]), {}), 'NotFound')


def test_a_new_daemon(stage):
    """Offers, their answers and what was received of them outlive both daemons; what ended is in the list and no object."""
    pair = Pair(stage)
    path = pair.make('big', os.urandom(1 << 20))
    with open(path, 'ab') as file:
        file.truncate(HUGE)
    small = pair.send_paths([pair.make('small', b'x')])
    pair.offer()
    pair.accept(folder=pair.target())
    pair.wait_finished(small)
    slow_down(pair.juliet.host, '80mbit')
    sent = pair.send_paths([path], batch='night')
    pair.offer()
    offered, target = pair.offered, pair.target()
    for restart in (False, True, True):
        for person in (pair.juliet, pair.romeo) if restart else ():
            person.kill()
            person.start()
        pair.meet()
        if not restart:
            pair.accept(folder=target)
            wait_state(pair.romeo_bus, offered, 'active')
    hurry(pair.juliet.host)
    equal(pair.wait_finished(sent), ['complete', ''])
    subprocess.check_call(['cmp', path, target + '/big'])
    rows = pair.juliet_bus.manager('ListTransfers', 'a{sv}', {})[0]
    equal([(row['name'], row['state'], row.get('transfer'), row.get('batch')) for row in rows],
          [('small', 'complete', None, None), ('big', 'complete', sent, 'night')])
    rows = pair.romeo_bus.manager('ListTransfers', 'a{sv}', {'peers': ('ao', [pair.juliet_path]), 'limit': ('u', 1)})[0]
    equal([(row['paths'], row['transferred'], row['size'], row['peer']) for row in rows],
          [([target + '/big'], HUGE, HUGE, pair.juliet_path)])


def test_policy(stage):
    """Accepted and refused without a question, as Configure says; all of it or nothing."""
    pair = Pair(stage)
    bus, path = pair.romeo_bus, pair.juliet_path

    def configure(**changes):
        return refusal(bus.call, path, PEER, 'Configure', 'a{sv}a{sv}', changes, {})

    for changes in ({'files': 'perhaps'}, {'files_limit': ('x', -1)}, {'files_limit': ('t', 1)}, {'quota': 'much'}, {'files_to': 'here'},
                    {'files_to': '/x' * 3000}, {'files_to_bytes': ('ay', b'/a\0')}):
        equal(configure(**changes, plaintext='allow'), 'InvalidArgument', changes)
    bus.call(path, PEER, 'Probe', 'a{sv}', {})
    equal(configure(files='auto'), 'NotVerified')
    before = properties(bus, path, PEER)['Policy']
    equal(before, {'plaintext': 'ask', 'encryption': 'default', 'files': 'ask', 'files_limit': 0, 'files_to': '', 'quota': 0})
    fingerprint = properties(bus, path, PEER)['Fingerprint']
    bus.call(path, PEER, 'Trust', 'sa{sv}', fingerprint, {})
    target = pair.target()
    equal(configure(files='auto', files_limit=('x', 1 << 40), files_to=target), None)
    equal(properties(bus, path, PEER)['Policy'], {**before, 'files': 'auto', 'files_limit': 1 << 40, 'files_to': target})
    sent = pair.send_paths([pair.make('taken', b'yes')])
    equal(pair.wait_finished(sent), ['complete', ''])
    equal(content_of(target), {'taken': b'yes'})
    pair.offer()
    equal(configure(files_limit=('x', 10)), None)
    sent = pair.send_paths([pair.make('as much as may be', b'0123456789')])
    equal(pair.wait_finished(sent), ['complete', ''])
    pair.offer()
    pair.send_paths([pair.make('more', b'0123456789a')])
    equal(pair.offer()['State'], 'offered')
    equal(configure(files_limit=('x', 0), quota=('x', 3 + 10 + 20)), None)
    for size, wanted in ((20, ['complete', '']), (1, ['rejected', 'quota'])):
        sent = pair.send_paths([pair.make('size %d' % size, b'x' * size)])
        equal(pair.wait_finished(sent), wanted)
    equal(configure(files='never', quota=('x', 0)), None)
    equal(properties(bus, path, PEER)['Policy']['files_to'], target)
    sent = pair.send_paths([pair.make('refused', b'no')])
    equal(pair.wait_finished(sent)[0], 'rejected')
    equal(configure(files='ask', files_limit=('x', 0), files_to=''), None)
    equal(properties(bus, path, PEER)['Policy'], before)


def test_sandbox(stage):
    """Who is in a Flatpak passes descriptors: its names are not taken, on the private socket and on the bus."""
    pair = Pair(stage, bus=True)
    path = pair.make('file', b'x')
    for place in ('private', 'session'):
        told = pair.in_sandbox(path, place)
        equal(told[0], 'AccessDenied', place)
        assert 'SendFiles' in told[1], told
        equal(told[2], 'sent', place)
    bus = MessageBus(pair.juliet.runtime + '/bus')
    equal(len(bus.manager('SendPaths', 'aoasa{sv}', [pair.romeo_path], [path], {})[0]), 1)
    with open(path) as file:                    # as many as a message bus takes at once
        many = [(file, 'file %d' % i, {}) for i in range(MANY)]
        equal(len(bus.manager('SendFiles', 'aoa(hsa{sv})a{sv}', [pair.romeo_path], many, {})[0]), 1)


def test_sandbox_seen_from_a_unit(stage):
    """A daemon in a user namespace of its own cannot look at who calls; it still knows Flatpak's proxy, and takes names from others."""
    pair = Pair(stage, start=False)
    popen = pair.juliet.host.popen
    pair.juliet.host.popen = lambda *command, **options: popen('unshare', '-Ur', *command, **options)
    pair.start()
    path = pair.make('file', b'x')
    pair.send_paths([path])
    name = open('/proc/self/comm').read().strip()
    set_name('xdg-dbus-proxy')
    try:
        equal(refusal(pair.send_paths, [path]), 'AccessDenied')
    finally:
        set_name(name)


def set_name(name):
    with open('/proc/self/comm', 'w') as file:
        file.write(name)


if __name__ == '__main__':
    hearbytest.main(test_by_name, test_modes, test_by_descriptor, test_descriptor_that_is_closed, test_forgotten_on_the_way,
                    test_two_receivers, test_more_than_is_shown, test_what_is_refused, test_bytes_that_are_no_text, test_the_same_key, test_progress,
                    test_reject_and_cancel, test_pause_and_resume, test_what_failed, test_a_new_daemon, test_policy, test_sandbox,
                    test_sandbox_seen_from_a_unit)
