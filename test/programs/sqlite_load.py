"""Transactions in an SQLite database.

sqlite_load.py run DB MODE COUNT ACK    MODE is WAL or DELETE; after each commit its number goes to ACK
sqlite_load.py check DB ACK             integrity_check, and every acknowledged transaction is there, whole
"""
import os
import sqlite3
import sys

ROWS = 5


def text(transaction, row):
    return f'{transaction}.{row}.' + 'x' * ((transaction * 37 + row) % 900)


def run(path, mode, count, ack):
    acks = os.open(ack, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    db = sqlite3.connect(path, isolation_level=None, timeout=30)
    found = db.execute(f'pragma journal_mode={mode}').fetchone()[0]
    if found.upper() != mode:
        sys.exit(f'journal mode is {found}')
    db.execute('pragma wal_autocheckpoint=20')
    db.execute('create table t (n integer, r integer, body text, primary key (n, r))')
    for n in range(1, count + 1):
        db.execute('begin immediate')
        for r in range(ROWS):
            db.execute('insert into t values (?, ?, ?)', (n, r, text(n, r)))
        db.execute('commit')
        os.pwrite(acks, b'%d\n' % n, 0)
    db.close()


def check(path, ack):
    done = int(open(ack).read() or 0) if os.path.exists(ack) else 0
    if done == 0 and not os.path.exists(path):
        return
    db = sqlite3.connect(path, timeout=30)
    if db.execute('pragma integrity_check').fetchall() != [('ok',)]:
        sys.exit('integrity_check failed')
    if done == 0:
        return
    rows = db.execute('select n, r, body from t order by n, r').fetchall()
    n = len(rows) // ROWS
    if len(rows) % ROWS != 0 or n < done or n > done + 1:
        sys.exit(f'{len(rows)} rows, {done} transactions were acknowledged')
    for i, (a, r, body) in enumerate(rows):
        if (a, r, body) != (i // ROWS + 1, i % ROWS, text(i // ROWS + 1, i % ROWS)):
            sys.exit(f'row {i} is wrong')
    print(done)


if sys.argv[1] == 'run':
    run(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
else:
    check(sys.argv[2], sys.argv[3])
