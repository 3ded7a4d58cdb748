"""Two people who see each other. They talk encrypted, or in clear where a test is about that."""
# SPDX-License-Identifier: LGPL-2.1-or-later


def couple(stage, clear=False, allow=True):
    """@clear: neither encrypts; then @allow: both have the standing yes."""
    settings = {'encryption': 'never'} if clear else {}
    juliet = stage.person(stage.host('pronto'), 'juliet', settings=settings)
    romeo = stage.person(stage.host('forza'), 'romeo', settings=settings)
    juliet.wait_online(romeo)
    romeo.wait_online(juliet)
    if clear and allow:
        juliet.allow(romeo)
        romeo.allow(juliet)
    return juliet, romeo
