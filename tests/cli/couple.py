"""Two people who see each other and allow each other to send unencrypted."""
# SPDX-License-Identifier: LGPL-2.1-or-later


def couple(stage, allow=True):
    juliet = stage.person(stage.host('pronto'), 'juliet')
    romeo = stage.person(stage.host('forza'), 'romeo')
    juliet.wait_online(romeo)
    romeo.wait_online(juliet)
    if allow:
        juliet.allow(romeo)
        romeo.allow(juliet)
    return juliet, romeo
