#!/usr/bin/python3
"""Whatever --json prints is as the schema files in data/schema say, for every verb, in success and in failure."""
# SPDX-License-Identifier: LGPL-2.1-or-later

import json
import re
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import hearbytest
from couple import couple
from files import inbox, make, offer, pinned, start
from hearbytest import equal

TYPES = {'object': dict, 'array': list, 'string': str, 'boolean': bool, 'integer': int, 'null': type(None)}


def has_type(value, name):
    return isinstance(value, TYPES[name]) and (name == 'boolean' or not isinstance(value, bool))


def check(value, schema, where='it'):
    """As much of JSON Schema as the files use; raises ValueError."""
    known = {'$schema', '$id', 'title', 'type', 'properties', 'required', 'additionalProperties', 'items', 'const', 'enum', 'anyOf',
             'pattern', 'format'}
    assert set(schema) <= known, schema
    types = schema.get('type', [])
    if types and not any(has_type(value, name) for name in ([types] if isinstance(types, str) else types)):
        raise ValueError('%s is %r, not %s' % (where, value, types))
    if value != schema.get('const', value) or value not in schema.get('enum', [value]):
        raise ValueError('%s is %r' % (where, value))
    if 'pattern' in schema and not re.search(schema['pattern'], value):
        raise ValueError('%s is %r' % (where, value))
    if isinstance(value, dict):
        for key in schema.get('required', []):
            if key not in value:
                raise ValueError('%s has no %s' % (where, key))
        for key, part in value.items():
            check(part, schema.get('properties', {}).get(key, schema.get('additionalProperties', {})), where + '.' + key)
    for part in value if isinstance(value, list) else []:
        check(part, schema.get('items', {}), where + '[]')
    problems = []
    for one in schema.get('anyOf', []):
        try:
            check(value, one, where)
            return
        except ValueError as problem:
            problems.append(str(problem))
    if problems:
        raise ValueError(' or '.join(problems))


def check_lines(verb, text):
    with open(os.path.join(hearbytest.SOURCE, 'data', 'schema', verb + '.json')) as file:
        schema = json.load(file)
    lines = text.splitlines()
    assert lines, 'nothing came'
    for line in lines:
        value = json.loads(line)
        check(value, schema, verb)
        equal(value['v'], 1)
        if len(value) > 2 or 'error' not in value:
            broken = {key: part for key, part in value.items() if key != 'v'}
            try:
                check(broken, schema)
            except ValueError:
                continue
            raise hearbytest.Failed('the schema of %s accepts what has no "v"' % verb)
    return lines


SUCCESS = """
peers | send juliet hello | send juliet --wait=delivered again | history | history juliet | status | status away tea
alias | alias ops juliet | alias ops | alias -d ops | policy juliet | policy juliet plaintext=allow encryption=require | block juliet | block --off juliet
config | config nick | config nick Romeo | config --unset nick | wait online juliet | version | help | add 10.255.255.1 | forget 10.255.255.1
transfers | transfers --all | policy juliet files=never quota=10G | policy juliet files=ask quota=none | id | id --uri | id --new
"""

FAILURE = """
send nobody x | send juliet --id= x | wait online nobody --timeout=0 | wait offline nobody | history nobody | status gone | alias nobody
policy nobody | block nobody | config nothing | add | forget nobody | chat nobody | trace nobody | help nothing | peers x | listen --type=x
put nobody /etc/passwd | put juliet /no/such/file | put juliet --wait=x | put --retry=4711 | transfers 4711 | accept 4711 | reject 4711 | cancel 4711
pause 4711 | resume 4711 | wait transfer 4711 | wait offer --timeout=0 | wait offer --name=a --trust=x | policy juliet files=auto:x
id x | trust juliet | trust juliet --fingerprint=x | trust xmpp:x | verify nobody | verify juliet --fingerprint=x | verify juliet --code=1
"""


def lines_of(table):
    return [line.split() for line in re.split('[|\n]', table) if line.strip()]


def test_success(stage):
    juliet, romeo = couple(stage, allow=False)
    juliet.cli('send', 'romeo', 'something to list', '--wait=delivered')
    for line in lines_of(SUCCESS):
        equal(len(check_lines(line[0], romeo.cli(*line, '--json').stdout)), 1, 'lines of ' + line[0])
    verbs = {entry['name'] for entry in romeo.json('help')['verbs']}
    files = {name[:-5] for name in os.listdir(os.path.join(hearbytest.SOURCE, 'data', 'schema'))}
    equal(files, verbs - {'complete'} | {'progress'}, 'verbs with a schema')
    check_lines('daemon', romeo.cli('daemon', '--stop', '--json').stdout)
    romeo.start()


def test_failure(stage):
    juliet, romeo = couple(stage, allow=False)
    for line in lines_of(FAILURE):
        done = romeo.cli(*line, '--json', check=False)
        check_lines(line[0], done.stdout)
        assert done.returncode and json.loads(done.stdout)['error']['message'], line
    late = romeo.cli('send', 'juliet', '--json', '--wait=read', '--timeout=1', 'unread', check=3).stdout
    check_lines('send', late)
    equal((len(json.loads(late)['messages']), json.loads(late)['error']['name']), (1, 'Timeout'))


def test_comparison(stage):
    juliet, romeo = couple(stage, allow=False)
    fingerprint = juliet.json('id')['fingerprint']
    check_lines('trust', romeo.cli('trust', 'juliet', '--json', '--fingerprint', fingerprint).stdout)
    theirs = juliet.host.popen(hearbytest.HEARBY, 'verify', 'romeo', '--json', env=juliet.environment())
    shown = romeo.cli('verify', 'juliet', '--json', check=5).stdout
    check_lines('verify', shown)
    equal(theirs.wait_exit(), 5)
    equal([json.loads(line)['code'] for line in theirs.lines if line[0] == '{'], [json.loads(shown)['code']])
    done = juliet.cli('verify', 'romeo', '--json', '--code', json.loads(shown)['code']).stdout
    check_lines('verify', done)
    equal(json.loads(done)['verified'], True)
    wrong = romeo.cli('verify', 'juliet', '--json', '--code', '1000 1000 1000', check=5).stdout
    check_lines('verify', wrong)
    equal(json.loads(wrong)['verified'], False)
    check_lines('peers', romeo.cli('peers', '--json').stdout)
    equal(romeo.json('send', 'juliet', 'x', check=5)['error']['name'], 'NotVerified')


def test_files(stage):
    juliet, romeo = pinned(stage)
    events = juliet.listen(type='transfer')
    path = make(romeo, 'a.txt')
    offered = start(juliet, 'wait', 'offer', '--json')
    putting = start(romeo, 'put', 'juliet', path, '--json', '--progress=json')
    equal(offered.wait_exit(), 0)
    check_lines('wait', offered.lines[0])
    id = json.loads(offered.lines[0])['transfers'][0]['id']
    check_lines('transfers', juliet.cli('transfers', id, '--json').stdout)
    mine = romeo.json('transfers')['transfers'][0]['id']
    for verb in ('pause', 'resume'):
        check_lines(verb, romeo.cli(verb, mine, '--json').stdout)
    os.mkdir(inbox(juliet))
    check_lines('accept', juliet.cli('accept', id, '--json', '--wait=done', '--to', inbox(juliet)).stdout)
    equal(putting.wait_exit(), 0)
    check_lines('put', '\n'.join(putting.lines))
    check_lines('progress', '\n'.join(putting.errors))
    check_lines('wait', romeo.cli('wait', 'transfer', mine, '--json').stdout)
    events.wait_for({'state': 'complete'})
    check_lines('listen', '\n'.join(events.lines))
    for verb, status in (('reject', 4), ('cancel', 9)):
        putting = start(romeo, 'put', 'juliet', path, '--json')
        id = offer(juliet)
        check_lines(verb, juliet.cli(verb, id, '--json').stdout if verb == 'reject' else
                    romeo.cli(verb, romeo.json('transfers')['transfers'][-1]['id'], '--json').stdout)
        equal(putting.wait_exit(), status)
        check_lines('put', '\n'.join(putting.lines))
    both = romeo.cli('put', 'juliet', '--to', 'self', '--timeout=0', path, '--json', check=False).stdout
    check_lines('put', both)


def test_streams(stage):
    juliet, romeo = couple(stage, allow=False)
    juliet.cli('send', 'romeo', 'one', '--wait=delivered')
    events = romeo.listen('--consumer', 'x')
    events.wait_for({'type': 'message'})
    waiting = romeo.host.popen(hearbytest.HEARBY, 'wait', 'message', '--json', '--trust=any', '--match=(t)(wo)', env=romeo.environment())
    trace = romeo.host.popen(hearbytest.HEARBY, 'trace', 'juliet', '--json', env=romeo.environment())
    juliet.cli('status', 'dnd')
    events.wait_for({'type': 'presence', 'status': 'dnd'})
    while waiting.alive() or not trace.lines: # nobody sees when they are ready
        juliet.cli('send', 'romeo', 'two', '--wait=delivered')
        waiting.wait_change(0, 1)
    waiting.wait_exit()
    juliet.cli('send', 'romeo', 'two', '--wait=delivered')  # of the first the trace may have only the receipt
    trace.wait_line('two')
    equal(json.loads(waiting.text())['match'], ['two', 't', 'wo'])
    check_lines('wait', waiting.text())
    check_lines('listen', '\n'.join(events.lines))
    check_lines('trace', '\n'.join(trace.lines))
    check_lines('chat', romeo.cli('chat', 'juliet', input='"three"\n{"body": "four"}\n7\n').stdout)


if __name__ == '__main__':
    hearbytest.main(test_success, test_failure, test_comparison, test_files, test_streams)
