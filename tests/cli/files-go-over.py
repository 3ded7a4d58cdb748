#!/usr/bin/python3
"""put, accept and the others do with files what the manual says, and exit with the status that scripts count on."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import json
import os
import signal
import subprocess
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from couple import couple
from files import inbox, make, offer, pinned, read, run, start, transfer, tree, trusting, until, wait_connected
from hearbyfiles import wait_names
from hearbytest import equal


def test_put(stage):
    """Several files and a folder are one transfer; it is over when it is there."""
    juliet, romeo = trusting(stage)
    report = make(romeo, 'report.pdf', b'PDF' * 1000)
    for name in ('photos/a.jpg', 'photos/deep/b.jpg'):
        make(romeo, name, name)
    os.mkdir(os.path.join(romeo.home, 'photos', 'empty'))
    done = romeo.cli('put', 'juliet', report, os.path.join(romeo.home, 'photos') + '/')
    equal((done.stdout, done.stderr), ('%d\n' % int(done.stdout), ''))
    equal(tree(inbox(juliet)), ['photos', 'photos/a.jpg', 'photos/deep', 'photos/deep/b.jpg', 'photos/empty', 'report.pdf'])
    equal(read(inbox(juliet), 'report.pdf'), b'PDF' * 1000)
    mine, = romeo.json('transfers')['transfers']
    theirs, = juliet.json('transfers')['transfers']
    for one, direction, peer in ((mine, 'out', 'juliet'), (theirs, 'in', 'romeo')):
        equal({key: one[key] for key in ('direction', 'peer', 'state', 'reason', 'size', 'transferred', 'files', 'named', 'encrypted')},
              {'direction': direction, 'peer': peer, 'state': 'complete', 'reason': None, 'size': 3000 + 12 + 17, 'transferred': 3029,
               'files': 3, 'named': 2, 'encrypted': True})
    equal(sorted(theirs['paths']), [os.path.join(inbox(juliet), name) for name in ('photos', 'report.pdf')])
    equal(theirs['path'], theirs['paths'][0])


def test_offer(stage):
    """Nothing is taken without a yes; the table says how to say it."""
    juliet, romeo = pinned(stage)
    putting = start(romeo, 'put', 'juliet', make(romeo, 'report.pdf', b'x' * 2104331))
    id = offer(juliet)
    rows = juliet.cli('transfers').stdout.splitlines()
    equal([row.split(None, 6) for row in rows], [['ID', 'DIR', 'PEER', 'WHAT', 'SIZE', 'STATE', 'NOTE'],
                                                 [id, 'in', 'romeo', 'report.pdf', '2.1', 'MB', 'offered  hearby accept ' + id]])
    equal(juliet.cli('peers', '-t', '-f', 'note').stdout, '1 unread, offers report.pdf: hearby accept %s\n' % id)
    equal(juliet.cli('transfers', '-t', '-f', 'id,size,state').stdout, '%s\t2104331\toffered\n' % id)
    os.makedirs(inbox(juliet))
    make(juliet, 'In/report.pdf', b'mine')
    told = start(juliet, 'listen', '--type=transfer')
    told.wait_line('hearby accept %s$' % id)
    done = juliet.cli('accept', id, '--to', inbox(juliet), '--wait=done')
    equal(done.stdout, os.path.join(inbox(juliet), 'report (1).pdf') + '\n')
    equal(putting.wait_exit(), 0)
    told.wait_line(r' report\.pdf from romeo: complete as report \(1\)\.pdf$')
    equal((read(inbox(juliet), 'report.pdf'), len(read(inbox(juliet), 'report (1).pdf'))), (b'mine', 2104331))
    equal(juliet.cli('accept', id).stdout, '')                        # again is fine
    equal(juliet.cli('transfers').stdout.split('complete')[1].strip(), 'as report (1).pdf')
    juliet.cli('reject', id, check=1)


def test_default_folder(stage):
    juliet, romeo = pinned(stage)
    folder = os.path.join(juliet.home, 'Downloads here')
    os.mkdir(folder)
    juliet.cli('config', 'downloads', folder)
    putting = start(romeo, 'put', 'juliet', make(romeo, 'a b.txt'))
    juliet.cli('accept', offer(juliet))
    equal(putting.wait_exit(), 0)
    equal(tree(folder), ['a b.txt'])


def test_home_is_expanded(stage):
    juliet, romeo = pinned(stage)
    os.mkdir(inbox(juliet))
    make(romeo, 'x.txt')
    putting = start(romeo, 'put', 'juliet', '~/x.txt')
    juliet.cli('accept', offer(juliet), '--to=~/In', '--wait=done')
    equal((putting.wait_exit(), tree(inbox(juliet))), (0, ['x.txt']))
    juliet.cli('policy', 'romeo', 'files=auto:2G', 'to=~/In', 'quota=10G')
    equal(juliet.cli('policy', 'romeo').stdout.splitlines()[2:], ['files=auto:2G', 'to=' + inbox(juliet), 'quota=10G'])


def test_no(stage):
    """Each way not to get there has its status, at both ends."""
    juliet, romeo = pinned(stage)
    path = make(romeo, 'a.txt')
    putting = start(romeo, 'put', 'juliet', path)
    id = offer(juliet)
    juliet.cli('reject', id)
    equal(putting.wait_exit(), 4)
    assert putting.errors[0].startswith("hearby: error: 'a.txt' to 'juliet': "), putting.errors
    equal([transfer(juliet, id)[key] for key in ('state', 'reason')], ['rejected', 'declined'])
    juliet.cli('reject', id)
    putting = start(romeo, 'put', 'juliet', path)
    theirs = offer(juliet)
    mine = putting.wait_line('^[0-9]+$').group()
    waiting = start(juliet, 'wait', 'transfer', theirs)
    romeo.cli('cancel', mine)
    equal((putting.wait_exit(), waiting.wait_exit()), (9, 9))
    equal([transfer(juliet, theirs)[key] for key in ('state', 'reason')], ['canceled', 'peer-canceled'])
    romeo.cli('wait', 'transfer', mine, check=9)
    equal(romeo.json('put', 'juliet', os.path.join(romeo.home, 'nothing'), check=7)['error']['name'], 'FileError')
    romeo.cli('put', 'juliet', '/dev/null', check=7)
    romeo.cli('put', 'tybalt', path, check=6)
    for verb in ('accept', 'reject', 'cancel', 'pause', 'resume', 'transfers'):
        equal(romeo.json(verb, '4711', check=6)['error']['name'], 'NotFound', verb)
    romeo.cli('put', '--retry', '4711', check=6)
    romeo.cli('accept', mine, check=2)
    romeo.cli('wait', 'offer', '--timeout=0', check=3)
    late = romeo.cli('put', 'juliet', path, '--timeout=0', check=3).stdout.strip()
    equal(transfer(romeo, late)['state'] in ('queued', 'offered'), True)
    late = romeo.cli('put', 'juliet', path, '--timeout=0', '--cancel-on-timeout', check=3).stdout.strip()
    equal(transfer(romeo, late)['state'], 'canceled')


def test_hints(stage):
    """What cannot be done says what can be, in one line more."""
    juliet, romeo = pinned(stage)
    path = make(romeo, 'a.txt')
    putting = start(romeo, 'put', 'juliet', path)
    theirs = offer(juliet)
    mine = putting.wait_line('^[0-9]+$').group()
    for person, words, status, error, hint in (
            (romeo, ['reject', mine], 2, "transfer %s is one of yours to others" % mine, "'hearby cancel %s' ends it" % mine),
            (romeo, ['accept', mine], 2, "transfer %s is one of yours to others" % mine, "'hearby transfers' says which are offered to you"),
            (romeo, ['put', '--retry', mine], 1, "transfer %s is not over" % mine, "'hearby wait transfer %s' returns when it is" % mine),
            (juliet, ['put', '--retry', theirs], 2, "transfer %s came to you" % theirs, "only who sent it can send it again"),
            (juliet, ['accept', theirs, '--to='], 2, "the name of the folder is empty", "'.' is the one that you are in"),
            (romeo, ['put', 'self', path], 1, "files go to others, not to oneself", "'hearby peers' lists who is on the link"),
            (romeo, ['put', 'juliet', '/dev/null'], 7, "cannot send '/dev/null': it is neither a file nor a folder",
             "what a program reads from it goes by 'hearby put PEER --name NAME -'"),
            (romeo, ['policy', 'juliet', 'files=some'], 2, "'files' cannot be 'some'", "what there is: ask, auto, never")):
        equal(person.cli(*words, check=status).stderr.splitlines(), ['hearby: error: ' + error, 'hearby: hint: ' + hint])
    for name in ('..', '.', 'a/b', '', 'x' * 256):
        said = romeo.cli('put', 'juliet', path, '--name', name, check=2).stderr
        assert said.startswith("hearby: error: --name is a name and no path: "), said
    romeo.cli('cancel', mine)
    equal(putting.wait_exit(), 9)
    over = ["hearby: error: transfer %s is over: canceled" % mine, "hearby: hint: 'hearby transfers %s' tells more" % mine]
    for verb in ('pause', 'resume'):
        equal(romeo.cli(verb, mine, check=1).stderr.splitlines(), over)


def test_never(stage):
    juliet, romeo = pinned(stage)
    juliet.cli('policy', 'romeo', 'files=never')
    romeo.cli('put', 'juliet', make(romeo, 'a.txt'), check=4)


def test_rules(stage):
    """What is above the limit is asked for, what is above the quota is refused, and a blocked peer neither gets nor gives."""
    juliet, romeo = trusting(stage, 'quota=5000')
    juliet.cli('policy', 'romeo', 'files=auto:1K')
    small, large = make(romeo, 'small', b'x' * 1000), make(romeo, 'large', b'x' * 3000)
    romeo.cli('put', 'juliet', small)
    putting = start(romeo, 'put', 'juliet', large)
    id = offer(juliet)
    juliet.cli('accept', id)
    equal(putting.wait_exit(), 0)
    refused = romeo.json('put', 'juliet', large, check=4)
    equal((refused['error']['name'], refused['transfers'][0]['reason']), ('Rejected', 'quota'))
    equal(tree(inbox(juliet)), ['large', 'small'])
    romeo.cli('block', 'juliet')
    equal(romeo.json('put', 'juliet', small, check=4)['error']['name'], 'Blocked')


def test_unencrypted(stage):
    """Nothing goes in clear without a yes."""
    tybalt, romeo = couple(stage, clear=True, allow=False)
    done = romeo.cli('put', 'juliet', make(romeo, 'a.txt'), check=5)
    assert 'hearby put --plaintext' in done.stderr or 'plaintext=allow' in done.stderr, done.stderr
    equal(romeo.json('transfers')['transfers'], [])


def test_away(stage):
    """Queued for who is away; --now does not wait."""
    juliet, romeo = trusting(stage)
    path = make(romeo, 'later.txt', 'later')
    juliet.stop()
    romeo.wait_offline(juliet)
    equal(romeo.json('put', 'juliet', '--now', path, check=11)['error']['name'], 'PeerOffline')
    id = romeo.cli('put', 'juliet', '--wait=queued', path).stdout.strip()
    equal(romeo.cli('put', 'juliet', '--wait=none', make(romeo, 'none.txt')).stdout, '')
    waiting = start(romeo, 'wait', 'transfer', id)
    wait_connected(romeo, 1)
    late = romeo.cli('put', 'juliet', '--expire=1', make(romeo, 'expired.txt'), check=1)
    equal(transfer(romeo, late.stdout.strip())['reason'], 'expired')
    romeo.stop()
    romeo.start()
    juliet.start()
    equal(waiting.wait_exit(), 0)
    equal(read(inbox(juliet), 'later.txt'), b'later')


def test_once(stage):
    juliet, romeo = trusting(stage)
    path = make(romeo, 'once.txt')
    first = romeo.cli('put', 'juliet', '--id', 'the build', path).stdout
    equal(romeo.cli('put', 'juliet', '--id', 'the build', path).stdout, first)
    equal(romeo.cli('put', 'juliet', '--id', 'the build', path, '--wait=queued').stdout, first)
    assert romeo.cli('put', 'juliet', '--id', 'another', path).stdout != first
    equal(tree(inbox(juliet)), ['once (1).txt', 'once.txt'])


def test_several(stage):
    """Each receiver has a transfer; one who is away does not keep the others from it."""
    juliet, romeo = trusting(stage)
    nurse = stage.person(stage.host('sword'), 'nurse')
    romeo.wait_online(nurse)
    nurse.wait_online(romeo)
    romeo.cli('send', 'nurse', '--wait=delivered', 'hello')
    nurse.cli('send', 'romeo', '--wait=delivered', 'hello')
    os.makedirs(inbox(nurse))
    nurse.cli('policy', 'romeo', 'files=auto', 'to=' + inbox(nurse))
    path = make(romeo, 'report.pdf')
    both = romeo.json('put', 'juliet', '--to', 'nurse', '--to=juliet', path)['transfers']
    equal([(one['peer'], one['state']) for one in both], [('juliet', 'complete'), ('nurse', 'complete')])
    equal((tree(inbox(juliet)), tree(inbox(nurse))), (['report.pdf'], ['report.pdf']))
    romeo.cli('alias', 'ops', 'juliet', 'nurse')
    equal(len(romeo.cli('put', 'ops', path).stdout.split()), 2)
    nurse.stop()
    romeo.wait_offline(nurse)
    done = romeo.json('put', 'juliet', '--to', 'nurse', '--now', path, check=10)
    equal([(one['peer'], one['state'], one['error']) for one in done['transfers']],
          [('juliet', 'complete', None), ('nurse', 'failed', 'PeerOffline')])
    equal(done['error']['name'], 'Partial')
    said = romeo.cli('put', 'juliet', '--to', 'nurse', '--now', path, check=10).stderr.splitlines()
    equal((len(said), 'nurse' in said[0], said[1]), (2, True, 'hearby: error: 1 of 2 failed'), said)


def test_partial(stage):
    """What could not go is listed, and sent alone the next time."""
    juliet, romeo = trusting(stage)
    make(romeo, 'tree/good.txt')
    os.symlink('../../etc/passwd', os.path.join(romeo.home, 'tree', 'bad'))
    done = romeo.cli('put', 'juliet', os.path.join(romeo.home, 'tree'), check=10)
    id = done.stdout.strip()
    said = done.stderr.splitlines()
    equal(said[0].startswith('hearby: tree/bad: '), True, said)
    equal(said[2], "hearby: hint: 'hearby put --retry %s' sends only what failed" % id)
    equal(transfer(romeo, id)['failures'], [{'path': 'tree/bad', 'reason': 'unsafe-link'}])
    equal(tree(inbox(juliet)), ['tree', 'tree/good.txt'])
    theirs, = juliet.json('transfers')['transfers']
    equal([theirs[key] for key in ('state', 'reason', 'failures')], ['complete', None, []])     # it was not offered
    assert 'failed: tree/bad: ' in romeo.cli('transfers', id).stdout
    waited = romeo.json('wait', 'transfer', id, check=10)
    equal((waited['error']['name'], waited['transfers'][0]['failures'][0]['path']), ('Partial', 'tree/bad'))
    os.unlink(os.path.join(romeo.home, 'tree', 'bad'))
    make(romeo, 'tree/bad', b'good now')
    again = romeo.json('put', '--retry', id)['transfers'][0]
    equal((again['state'], again['size'], again['id'] != id), ('complete', 8, True))
    equal(tree(inbox(juliet)), ['bad', 'tree', 'tree/good.txt'])
    equal(romeo.json('put', '--retry', again['id'], check=6)['error']['name'], 'NotFound')


def test_pause(stage):
    """Either side pauses; each ends its own pause."""
    juliet, romeo = pinned(stage)
    events = juliet.listen(type='transfer')
    seen = romeo.listen(type='transfer')
    os.makedirs(inbox(juliet))
    path = os.path.join(romeo.home, 'big')
    with open(path, 'wb') as file:
        file.truncate(64 << 20)
    putting = start(romeo, 'put', 'juliet', path)
    theirs = offer(juliet)
    mine = putting.wait_line('^[0-9]+$').group()
    until(juliet.listen(type='transfer'), theirs, 'offered')          # who comes late sees what is open
    romeo.cli('pause', mine)
    until(seen, mine, 'paused')
    juliet.cli('accept', theirs, '--to', inbox(juliet))
    equal(until(events, theirs, 'paused')['reason'], 'peer-paused')
    romeo.cli('pause', mine)
    romeo.cli('resume', mine)
    equal(putting.wait_exit(), 0)
    until(events, theirs, 'complete')
    equal(os.path.getsize(os.path.join(inbox(juliet), 'big')), 64 << 20)
    romeo.cli('pause', mine, check=1)


def test_interrupt(stage):
    """Ctrl-C once: both ends know."""
    juliet, romeo = pinned(stage)
    for number, status in ((2, 130), (15, 143)):
        putting = start(romeo, 'put', 'juliet', '--json', make(romeo, 'a.txt'))
        theirs = offer(juliet)
        waiting = start(juliet, 'wait', 'transfer', theirs)
        putting.kill(number)
        equal(putting.wait_exit(), status)
        equal([one['state'] for one in json.loads(putting.text())['transfers']], ['canceled'])
        equal(waiting.wait_exit(), 9)
        equal(transfer(juliet, theirs)['reason'], 'peer-canceled')
    putting = start(romeo, 'put', 'juliet', make(romeo, 'a.txt'))
    id = offer(juliet)
    waiting = start(juliet, 'wait', 'transfer', id, stdin=subprocess.DEVNULL)
    waiting.kill(2)                                                   # who only waits ends nothing
    assert waiting.wait_exit() != 0
    juliet.cli('accept', id)
    equal(putting.wait_exit(), 0)


def test_interrupt_of_the_receiver(stage):
    """Who takes it and waits for it ends it as well."""
    juliet, romeo = pinned(stage)
    events = juliet.listen(type='transfer')
    putting = start(romeo, 'put', 'juliet', '--name=x', '-')
    putting.write('x' * 1000)
    id = offer(juliet)
    os.mkdir(inbox(juliet))
    accepting = start(juliet, 'accept', id, '--wait=done', '--to', inbox(juliet))
    until(events, id, 'active')
    accepting.kill(2)
    equal((accepting.wait_exit(), putting.wait_exit()), (130, 9))
    wait_names(inbox(juliet), [])


def test_interrupt_twice(stage):
    """A daemon that does not answer keeps nobody."""
    juliet, romeo = pinned(stage)
    putting = start(romeo, 'put', 'juliet', make(romeo, 'a.txt'))
    offer(juliet)
    os.kill(romeo.daemon.pid, signal.SIGSTOP)
    while putting.alive():
        putting.kill(2)
        putting.wait_change(len(putting.lines), 0.1)
    equal(putting.wait_exit(), -2)
    os.kill(romeo.daemon.pid, signal.SIGCONT)


def test_stdin_and_stdout(stage):
    juliet, romeo = pinned(stage)
    data = bytes(range(256)) * 4096
    path = os.path.join(juliet.home, 'out')
    with open(path, 'wb') as out:
        taking = subprocess.Popen(juliet.host.argv(hearbytest.HEARBY, 'wait', 'offer', '--accept=-', '--name', '*.bin'),
                                  env=juliet.environment(), stdout=out)
        done = run(romeo, 'put', 'juliet', '--name', 'x.bin', '-', stdin=None, input=data)
    equal((done.returncode, taking.wait(hearbytest.PATIENCE), read(path) == data), (0, 0, True))
    putting = start(romeo, 'put', 'juliet', make(romeo, 'photos/a'), os.path.join(romeo.home, 'photos'))
    juliet.cli('accept', offer(juliet), '-', check=1)                 # not a single file
    putting.kill(2)
    for wrong in (['put', 'juliet', '-'], ['put', 'juliet', '--name=a', '-', 'b'], ['put', 'juliet', '--name=a/b', '-'],
                  ['accept', '1', '-', '--json'], ['accept', '1', '-', '--to=/tmp'], ['accept', '1', '2', '-'], ['put', 'juliet'],
                  ['put', '--retry=1', 'juliet'], ['put', 'juliet', '--to', 'romeo', '--name=a', '-']):
        equal(run(romeo, *wrong, stdin=subprocess.PIPE).returncode, 2, ' '.join(wrong))


def test_receiver_dies(stage):
    """What went into a pipe cannot be gone on with after kill -9: both ends say so."""
    juliet, romeo = pinned(stage)
    events = romeo.listen(type='transfer')
    taking = juliet.host.popen('bash', '-c', 'set -o pipefail; %s wait offer --accept=- --name=x | cat >/dev/null' % hearbytest.HEARBY,
                               env=juliet.environment())
    sending = start(romeo, 'put', 'juliet', '--name=x', '-')
    sending.write('x' * 100000)
    mine = sending.wait_line('^[0-9]+$').group()
    until(events, mine, 'active')
    juliet.kill()
    juliet.start()
    equal(taking.wait_exit(), 1, taking.text())
    sending.process.stdin.close()
    equal(sending.wait_exit(), 1, sending.text())
    equal([person.json('transfers')['transfers'][0]['state'] for person in (juliet, romeo)], ['failed', 'failed'])


def test_renamed(stage):
    """A name that is not UTF-8, one that would be an option, one of the sender's choice."""
    juliet, romeo = trusting(stage)
    make(romeo, '--json')
    raw = os.path.join(romeo.home.encode(), b'gr\xfcn.txt')
    with open(raw, 'wb') as file:
        file.write(b'green')
    equal(run(romeo, 'put', 'juliet', '--', raw, os.path.join(romeo.home, '--json')).returncode, 0)
    equal(run(romeo, 'put', 'juliet', '--name=call me.txt', raw).returncode, 0)
    got = tree(inbox(juliet))
    equal((len(got), '--json' in got, 'call me.txt' in got, read(inbox(juliet), 'call me.txt')), (3, True, True, b'green'), got)


def test_odd_sources(stage):
    """What a link points to, the folder where one is, what a shell substitutes, nothing at all."""
    juliet, romeo = trusting(stage)
    make(romeo, 'real/name.txt', b'real')
    os.symlink('real/name.txt', os.path.join(romeo.home, 'link.txt'))
    os.symlink('real', os.path.join(romeo.home, 'linked'))
    script = ('cd "$HOME" && %s put juliet link.txt linked && cd real && %s put juliet . && %s put juliet --name=none.txt - </dev/null'
              ' && %s put juliet --name=some.txt <(echo some)').replace('%s', hearbytest.HEARBY)
    done = subprocess.run(romeo.host.argv('bash', '-c', script), env=romeo.environment(), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=hearbytest.PATIENCE)
    equal(done.returncode, 0, done.stderr)
    equal(tree(inbox(juliet)), ['link.txt', 'linked', 'linked/name.txt', 'none.txt', 'real', 'real/name.txt', 'some.txt'])
    equal([read(inbox(juliet), name) for name in ('link.txt', 'none.txt', 'some.txt')], [b'real', b'', b'some\n'])
    assert not os.path.islink(os.path.join(inbox(juliet), 'link.txt'))


if __name__ == '__main__':
    hearbytest.main(test_put, test_offer, test_default_folder, test_home_is_expanded, test_no, test_hints, test_never, test_rules, test_unencrypted, test_away,
                    test_once, test_several, test_partial, test_pause, test_interrupt, test_interrupt_of_the_receiver, test_interrupt_twice,
                    test_stdin_and_stdout, test_receiver_dies, test_renamed, test_odd_sources)
