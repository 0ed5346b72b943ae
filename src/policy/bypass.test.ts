// biome-ignore-all lint/suspicious/noTemplateCurlyInString: text of shells
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import fc from 'fast-check'
import { parse } from 'unbash'
import { beforeAll, describe, expect, test } from 'vitest'
import { decide, type Policy, parsePolicy } from './index.js'
import { argOf } from './shell/words.js'

/** Lets some harmless programs run, and a shell with them. Whatever ends in another one is to be denied. */
const text = `version: 1
default: deny
rules:
  - {match: {program: [ls, cat, grep, head, tail, wc, sort, tee, find, awk, sed, tar, base64, xxd, printf, tr, rev, cp, ln, chmod, date, id]}, effect: allow}
  - {match: {program: git}, effect: allow}
  - {match: {program: [python3, node, perl]}, effect: allow}
  - {match: {program: npm, args: 'test **'}, effect: allow}
`

/** The same the other way round: a list of what is not to be, as people write them. */
const blocks = `version: 1
default: allow
rules:
  - {match: {program: [rm, curl, sudo]}, effect: deny}
`

let allows: Policy
let denies: Policy

beforeAll(async () => {
  allows = await parsePolicy(text)
  denies = await parsePolicy(blocks)
})

async function judged(policy: Policy, shell: string): Promise<string> {
  const { effect } = await decide(policy, { command: { shell }, cwd: '/', actor: 'agent', network: false })
  return effect
}

/** Under names, so that a list of them can be read. */
const disguises: ReadonlyArray<readonly [what: string, shell: string]> = [
  ['plainly', 'rm -rf src'],
  ['quotes', '"rm" -rf src'],
  ['quotes inside', `r''m -rf src; r"m" x`],
  ['a backslash', '\\rm -rf src; r\\m x'],
  ['a line that goes on', 'r\\\nm -rf src'],
  ['ANSI quotes', `$'\\x72\\x6d' -rf src`],
  ['a translated string', '$"rm" -rf src'],
  ['a path', '/bin/rm -rf src'],
  ['a path with detours', '/usr/bin/../bin/./rm -rf src'],
  ['a path of /proc', '/proc/self/root/bin/rm -rf src'],
  ['a pattern', '/bin/r? -rf src'],
  ['another pattern', '/???/r[m] -rf src'],
  ['braces', '{rm,-rf,src}'],
  ['a variable', 'x=rm; $x -rf src'],
  ['half a variable', 'x=m; r$x -rf src'],
  ['an empty variable', 'r${nothing}m -rf src'],
  ['a default', '${x:-rm} -rf src'],
  ['an array', 'a=(rm -rf src); "${a[@]}"'],
  ['the arguments', 'set -- rm -rf src; "$@"'],
  ['a name of a name', 'x=y; y=rm; ${!x} src'],
  ['a substitution', '$(echo rm) -rf src'],
  ['backticks', '`echo rm` -rf src'],
  ['in a substitution', 'ls $(rm -rf src)'],
  ['in backticks', 'ls `rm -rf src`'],
  ['in backticks in backticks', 'ls `ls \\`rm -rf src\\``'],
  ['in quotes', 'ls "a $(rm -rf src) b"'],
  ['in a default', 'ls ${x:-$(rm -rf src)}'],
  ['in arithmetic', 'ls $((1 + $(rm -rf src)))'],
  ['in a subscript', 'ls ${a[$(rm -rf src)]}'],
  ['in arithmetic of a value', `x='a[$(rm -rf src)]'; echo $((x))`],
  ['in a process substitution', 'cat <(rm -rf src)'],
  ['in the other one', 'ls > >(rm -rf src)'],
  ['in a here-document', 'cat <<E\n$(rm -rf src)\nE'],
  ['in a here-string', 'cat <<< $(rm -rf src)'],
  ['in a redirection', 'ls > $(rm -rf src)'],
  ['in an assignment', 'x=$(rm -rf src)'],
  ['in an assignment before a command', 'x=$(rm -rf src) ls'],
  ['in an array', 'a=($(rm -rf src))'],
  ['in a test', '[[ -n $(rm -rf src) ]]'],
  ['in a pattern of case', 'case x in $(rm -rf src)) ls;; esac'],
  ['in words of for', 'for i in $(rm -rf src); do ls; done'],
  ['behind a semicolon', 'ls; rm -rf src'],
  ['behind a line', 'ls\nrm -rf src'],
  ['behind &&', 'ls && rm -rf src'],
  ['behind ||', 'ls || rm -rf src'],
  ['in the background', 'ls & rm -rf src &'],
  ['in a pipe', 'ls | rm -rf src'],
  ['in a pipe of both', 'ls |& rm -rf src'],
  ['negated', '! rm -rf src'],
  ['timed', 'time rm -rf src'],
  ['in a subshell', '(rm -rf src)'],
  ['in braces that group', '{ rm -rf src; }'],
  ['in if', 'if ls; then rm -rf src; fi'],
  ['in its condition', 'if rm -rf src; then ls; fi'],
  ['in elif', 'if ls; then ls; elif rm src; then ls; fi'],
  ['in else', 'if ls; then ls; else rm src; fi'],
  ['in while', 'while rm -rf src; do ls; done'],
  ['in until', 'until ls; do rm src; done'],
  ['in for', 'for i in 1; do rm -rf src; done'],
  ['in for of C', 'for ((i=0;i<1;i++)); do rm -rf src; done'],
  ['in select', 'select i in a; do rm -rf src; done'],
  ['in case', 'case x in *) rm -rf src;; esac'],
  ['in coproc', 'coproc rm -rf src'],
  ['in a function', 'f() { rm -rf src; }; f'],
  ['in a function of bash', 'function ls { rm -rf src; }; ls'],
  ['in a function that runs its arguments', 'f() { "$@"; }; f rm -rf src'],
  ['a function that is not there', 'if false; then rm() { :; }; fi; rm -rf src'],
  ['a function that comes later', 'rm -rf src; rm() { :; }'],
  ['a function that was removed', 'rm() { :; }; unset -f rm; rm -rf src'],
  ['past a function', 'rm() { :; }; command rm -rf src'],
  ['in a function in a subshell', '(rm() { :; }); rm -rf src'],
  ['sh -c', "sh -c 'rm -rf src'"],
  ['bash -c', 'bash -c "rm -rf src"'],
  ['bash with flags', "bash -ec 'rm -rf src'; bash -x -c 'rm src'"],
  ['bash with options', "bash -o pipefail -c 'rm -rf src'"],
  ['bash with long options', "bash --norc -c 'rm -rf src'"],
  ['bash with a profile', 'bash --rcfile evil -i'],
  ['bash in bash', `bash -c "bash -c 'rm -rf src'"`],
  ['sh -c of a variable', 'x="rm -rf src"; sh -c "$x"'],
  ['sh -c with a part that is not known', 'sh -c "ls $x"'],
  ['a path of a shell', "/bin/sh -c 'rm -rf src'"],
  ['another shell', "zsh -c 'rm -rf src'"],
  ['busybox', 'busybox rm -rf src'],
  ['busybox sh', "busybox sh -c 'rm -rf src'"],
  ['a shell that reads a pipe', 'echo rm -rf src | sh'],
  ['base64', 'echo cm0gLXJmIHNyYw== | base64 -d | sh'],
  ['xxd', 'echo 726d | xxd -r -p | bash'],
  ['rev', 'echo crs fr- mr | rev | bash -s'],
  ['a shell with a here-document', 'sh <<E\nrm -rf src\nE'],
  ['one with variables in it', 'sh <<E\n$x\nE'],
  ['a shell with a here-string', 'sh <<< "rm -rf src"'],
  ['a shell with a file for input', 'sh < file'],
  ['a shell with a substitution', 'sh <(echo rm)'],
  ['printf to a shell', "printf '\\162\\155 src' | sh"],
  ['eval', 'eval rm -rf src'],
  ['eval in pieces', `eval 'r''m' -rf src`],
  ['eval of a variable', 'eval "$x"'],
  ['eval of eval', `eval eval rm src`],
  ['source', 'source file'],
  ['a dot', '. ./file'],
  ['source of a substitution', 'source <(echo rm -rf src)'],
  ['trap', "trap 'rm -rf src' EXIT"],
  ['trap of a variable', 'trap "$x" EXIT'],
  ['an alias', "alias ls='rm -rf src'\nls"],
  ['an alias of a variable', 'alias $x\nls'],
  ['exec', 'exec rm -rf src'],
  ['exec with a name', 'exec -a ls rm -rf src'],
  ['command', 'command rm -rf src'],
  ['command -p', 'command -p rm -rf src'],
  ['builtin', 'builtin eval rm -rf src'],
  ['command eval', 'command eval rm -rf src'],
  ['hash', 'hash -p /bin/rm ls; ls -rf src'],
  ['enable', 'enable -f ./evil.so ls; ls'],
  ['env', 'env rm -rf src'],
  ['env with variables', 'env -i A=b rm -rf src'],
  ['env -S', "env -S 'rm -rf src'"],
  ['env with options', 'env -u A -C /tmp -- rm -rf src'],
  ['env with an option that is not known', 'env --evil rm -rf src'],
  ['env of a variable', 'env $x'],
  ['nice', 'nice rm src; nice -n 5 rm src; nice -5 rm src'],
  ['nohup', 'nohup rm -rf src &'],
  ['timeout', 'timeout 5 rm -rf src'],
  ['timeout with options', 'timeout -k 5 --signal=KILL 10 rm -rf src'],
  ['time of a path', '/usr/bin/time -o x rm -rf src'],
  ['setsid', 'setsid rm -rf src'],
  ['stdbuf', 'stdbuf -oL rm -rf src'],
  ['ionice', 'ionice -c 3 rm -rf src'],
  ['taskset', 'taskset 1 rm -rf src'],
  ['sudo', 'sudo rm -rf src'],
  ['doas', 'doas rm -rf src'],
  ['su', "su -c 'rm -rf src'"],
  ['chroot', 'chroot / rm -rf src'],
  ['unshare', 'unshare rm -rf src'],
  ['watch', 'watch rm -rf src'],
  ['flock', 'flock lock rm -rf src'],
  ['flock -c', "flock lock -c 'rm -rf src'"],
  ['script', "script -c 'rm -rf src' out"],
  ['strace', 'strace rm -rf src'],
  ['the loader', '/lib64/ld-linux-x86-64.so.2 /bin/rm -rf src'],
  ['xargs', 'ls | xargs rm -rf'],
  ['xargs -I', 'ls | xargs -I{} rm {}'],
  ['xargs of its input', 'echo rm src | xargs -I% %'],
  ['xargs sh', "ls | xargs sh -c 'rm $0'"],
  ['xargs with a script from its input', 'echo rm | xargs sh -c'],
  ['xargs env', 'ls | xargs env rm'],
  ['parallel', 'ls | parallel rm'],
  ['find -exec', 'find . -exec rm {} \\;'],
  ['find -exec +', 'find . -exec rm {} +'],
  ['find -execdir', 'find . -execdir rm {} \\;'],
  ['find -ok', 'find . -ok rm {} ";"'],
  ['the second -exec', 'find . -exec ls {} \\; -exec rm {} \\;'],
  ['find -exec sh', "find . -exec sh -c 'rm $1' _ {} \\;"],
  ['find -exec of what is found', 'find . -name x -exec {} \\;'],
  ['find with a variable', 'find . $x'],
  ['python -c', `python3 -c 'import os; os.system("rm -rf src")'`],
  ['python -c with flags', 'python3 -Ic "import os"'],
  ['python that reads', 'echo "import os" | python3'],
  ['python with a dash', 'echo "import os" | python3 -'],
  ['python with a here-document', 'python3 <<E\nimport os\nE'],
  ['python of a variable', 'python3 $x'],
  ['node -e', "node -e \"require('fs').rmSync('src')\""],
  ['node -p', 'node -p 1; node --eval=1; node --print 1'],
  ['node -r', 'node -r ./evil.js x.js'],
  ['perl -e', `perl -e 'unlink "src"'; perl -ne 1; perl -MFoo x`],
  ['awk', `awk 'BEGIN{system("rm -rf src")}'`],
  ['awk with a pipe', `awk 'BEGIN{print "rm" | "sh"}'`],
  ['sed e', `sed '1e rm -rf src' file`],
  ['sed s///e', `sed 's/x/rm src/e' file`],
  ['sed with other delimiters', `sed 's|x|rm src|ge' file`],
  ['tar', `tar --checkpoint=1 --checkpoint-action=exec=rm\\ src -cf x .`],
  ['tar -I', `tar -I 'rm src' -cf x .`],
  ['git -c', `git -c core.pager='rm -rf src' log`],
  ['git aliases', `git -c alias.x='!rm -rf src' x`],
  ['git config', `git config alias.x '!rm -rf src'`],
  ['git bisect run', 'git bisect run rm -rf src'],
  ['git rebase --exec', `git rebase -x 'rm src' HEAD~1`],
  ['git submodule foreach', `git submodule foreach 'rm -rf src'`],
  ['git grep -O', `git grep -Orm x`],
  ['git with ext', `git clone 'ext::rm -rf src' x`],
  ['git filter-branch', `git filter-branch --tree-filter 'rm src'`],
  ['git of a variable', 'git $x'],
  ['PATH', 'PATH=.; ls'],
  ['PATH for one', 'PATH=.:$PATH ls'],
  ['export PATH', 'export PATH=.; ls'],
  ['PATH by read', 'read PATH < file; ls'],
  ['PATH by printf', 'printf -v PATH .; ls'],
  ['PATH by for', 'for PATH in .; do ls; done'],
  ['PATH by default', 'unset x; : ${PATH:=.}; ls'],
  ['PATH by a reference', 'declare -n x=PATH; x=.; ls'],
  ['PATH by env', 'env PATH=. ls'],
  ['PATH in a branch', 'if ls; then PATH=.; fi; ls'],
  ['PATH in a loop', 'while ls; do PATH=.; done'],
  ['PATH in a function', 'f() { PATH=.; }; f; ls'],
  ['a variable that is not known', 'export "$x"; ls'],
  ['LD_PRELOAD', 'LD_PRELOAD=./evil.so ls'],
  ['BASH_ENV', 'BASH_ENV=evil bash -c ls'],
  ['IFS', 'IFS=x; ls'],
  ['GIT_SSH_COMMAND', 'GIT_SSH_COMMAND=rm git fetch'],
  ['GIT_EXTERNAL_DIFF', 'GIT_EXTERNAL_DIFF=rm git diff'],
  ['PAGER', 'PAGER=rm git log'],
  ['NODE_OPTIONS', 'NODE_OPTIONS="--require ./evil" npm test'],
  ['PYTHONPATH', 'PYTHONPATH=. python3 x.py'],
  ['npm settings', 'npm_config_script_shell=evil npm test'],
  ['a program of that name elsewhere', './ls -la'],
  ['one of a folder that is not known', 'cd "$x"; ./ls'],
  ['a copy', 'cp /bin/rm ./x; ./x -rf src'],
  ['a link', 'ln -s /bin/rm ls; ./ls -rf src'],
  ['a connection of the shell', 'cat < /dev/tcp/example.org/80'],
  ['a prompt', 'x=\'$(rm src)\'; echo "${x@P}"'],
  ['text that breaks off', 'ls "'],
  ['text that breaks off in a substitution', 'ls $(rm'],
  ['a zero byte', 'ls\0rm'],
  ['carriage returns', 'ls\r\nrm -rf src'],
  ['a comment that is none', 'ls x#; rm -rf src'],
  ['a comment that ends', 'ls # harmless\nrm -rf src'],
  ['a tilde', '~/bin/x'],
  ['a file for a shell', 'sh evil.sh rm'],
  ['a file for bash', 'bash -x ./evil.sh rm'],
  ['what looks like arithmetic', 'ls $((rm -rf src); ls)'],
  ['arithmetic of old', 'ls $[1+$(rm -rf src)]'],
  ['a subscript that is set', 'a[$(rm -rf src)]=1'],
  ['arithmetic with a subscript', '((a[$(rm -rf src)]=1))'],
  ['let', "let 'a[$(rm -rf src)]=1'"],
  ['a test of numbers', "[[ 'a[$(rm -rf src)]' -eq 1 ]]"],
  ['a test of a name', "[[ -v 'a[$(rm -rf src)]' ]]"],
  ['declare -i', "declare -i x='a[$(rm -rf src)]'"],
  ['a replacement', 'echo "${x/a/$(rm -rf src)}"'],
  ['a redirection of a block', 'if ls; then ls; fi > $(rm -rf src)'],
  ['a here-document with dashes', 'cat <<-E\n\t`rm -rf src`\n\tE'],
  ['what stands behind a here-document', "cat <<'E'\ntext\nE\nrm -rf src"],
  ['what stands beside a here-document', 'cat <<E & rm -rf src\ntext\nE'],
  ['a here-document in a substitution', 'ls $(cat <<E\nx\nE\nrm -rf src)'],
  ['time of a block', 'time -p { rm -rf src; }'],
  ['xargs -l', 'ls | xargs -l rm src'],
  ['xargs -i', 'ls | xargs -i rm {}'],
  ['env -', 'env - rm -rf src'],
  ['bash with options in one', "bash -oc pipefail 'rm -rf src'"],
  ['bash -O', "bash -O extglob -c 'rm -rf src'"],
  ['su with a user first', "su root -c 'rm -rf src'"],
  ['find without an end', 'find . -exec rm {} ;'],
  ['a form feed', 'ls\frm -rf src'],
]

describe('a policy that lists what may be', () => {
  test.each(disguises)('is not got round by %s', async (_, shell) => {
    expect(await judged(allows, shell)).toBe('deny')
  })

  test.each([
    'ls -la | grep x | head -5',
    'cd src && ls && git status --short',
    'npm test 2>&1 | tee out.txt | tail -20',
    'for f in *.ts; do grep -c x "$f"; done',
    'if git diff --quiet; then echo same; else echo "not the same"; fi',
    'x=$(git rev-parse HEAD); echo "$x"',
    `find . -name '*.ts' -not -path './node_modules/*' | xargs grep -l foo`,
    'find . -type f -exec grep -l x {} +',
    "sh -c 'ls; cat a'",
    'bash -euo pipefail -c "ls | wc -l"',
    'timeout 60 npm test -- --watch=false',
    'env CI=1 NODE_ENV=test npm test',
    'CI=true npm test',
    'f() { ls "$1"; }; f a; f b',
    'cat <<EOF > notes.md\n# $(date)\nEOF',
    "cat > a.sh <<'EOF'\nrm -rf $x\nEOF",
    'git commit -m "a message; rm -rf is only text" && git log -1',
    'git -C sub log --oneline',
    "awk '{print $1}' file",
    "sed -n '1,10p' file",
    "sed -i 's/e/f/g' file",
    'python3 script.py -c x',
    'python3 -m unittest',
    'python3 --version',
    'node script.js -e x',
    '[ -f a ] && cat a || echo none',
    '[[ -f a ]] && cat a',
    'case "$1" in a) ls;; *) cat b;; esac',
    'ls # rm -rf /',
    'echo "$HOME" $((1 + 2)) ${x:-y}',
    'tar -czf out.tgz src',
    '(cd sub && ls) && ls',
    'set -e; trap - EXIT; export A=b; unset A; true',
    'while read -r line; do echo "$line"; done < file',
    '! grep -q x file',
    'ls &',
    'cat file | while IFS= read -r line; do echo "$line"; done',
    '[[ $a -eq 1 && "$b" == "x[1]" ]] && ls',
    'env',
    '',
    '# nothing',
  ])('lets run: %s', async shell => {
    const decision = await decide(allows, { command: { shell }, cwd: '/', actor: 'agent', network: false })
    expect([decision.effect, decision.reason]).toEqual(['allow', decision.reason])
  })
})

describe('a policy that lists what may not be', () => {
  // What it does not list runs: those that end in a program of another name.
  const others = /^(another shell|a form feed|a file for|a program of that name|a copy|a link|chroot|su$)/
  const ends = disguises.filter(([what, shell]) => /\b(rm|curl|sudo)\b/.test(shell) && !others.test(what))

  test.each(ends)('is not got round by %s', async (_, shell) => {
    expect(await judged(denies, shell)).toBe('deny')
  })
})

describe('what is not known', () => {
  test('is judged as the policy says', async () => {
    const asks = await parsePolicy(
      'version: 1\ndefault: deny\nunknown: ask\nrules: [{match: {program: rm}, effect: deny}, {match: {program: ls}, effect: allow}]\n',
    )
    expect(await judged(asks, 'x=ls; ls | sh')).toBe('ask')
    // It may be rm.
    expect(await judged(asks, '$x')).toBe('deny')
    const lines = await parsePolicy('version: 1\ndefault: deny\nrules: [{match: {program: python3, unknown: true}, effect: allow}]\n')
    expect(await judged(lines, "python3 -c 'print(1)'")).toBe('allow')
    expect(await judged(lines, "node -e '1'")).toBe('deny')
  })

  test('is much too much, too', async () => {
    expect(await judged(allows, 'ls;'.repeat(2000))).toBe('deny')
    expect(await judged(allows, `ls ${'x'.repeat(70_000)}`)).toBe('deny')
    expect(await judged(allows, `${'$('.repeat(100)}ls${')'.repeat(100)}`)).toBe('deny')
    expect(await judged(allows, `${'env '.repeat(5000)}ls`)).toBe('deny')
    expect(await judged(allows, `${'('.repeat(3000)}ls${')'.repeat(3000)}`)).toBe('deny')
  })
})

describe('words', () => {
  const piece = fc.constantFrom(
    'a',
    'b',
    ' ',
    "'",
    '"',
    '\\',
    '$x',
    '$(echo c)',
    '`echo d`',
    '*',
    '~',
    '{e,f}',
    '#',
    '\n',
    ';',
    '=',
    '-',
    '\t',
    '\r',
    '\f',
    '\u00a0',
    "$'\\x41'",
    '${x}',
    '/',
  )

  /** What bash makes of the arguments of a command. */
  function words(shell: string): string[] | undefined {
    const { status, stdout } = spawnSync('bash', ['-c', `show() { printf '%s\\0' "$@"; }; cd /nonexistent 2>/dev/null; show ${shell}`], {
      env: { PATH: process.env['PATH'] },
    })
    return status === 0 ? String(stdout).split('\0').slice(0, -1) : undefined
  }

  test.runIf(existsSync('/bin/bash') || existsSync('/usr/bin/bash'))('that are said to be known are what bash makes of them', () => {
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), pieces => {
        const script = parse(`show ${pieces.join('')}`)
        const [first] = script.commands
        if (script.errors?.length || script.commands.length !== 1 || first.command.type !== 'Command' || first.command.suffix.some(one => one.type !== 'Word'))
          return
        const args = first.command.suffix.map(one => argOf(one as never))
        if (args.length === 0 || !args.every(arg => typeof arg === 'string')) return
        expect(words(pieces.join(''))).toEqual(args)
      }),
      { numRuns: 150 },
    )
  })
})

test('no text makes it throw or take long', async () => {
  const piece = fc.constantFrom(
    'a',
    ' ',
    '$(',
    ')',
    '`',
    '"',
    "'",
    '{',
    '}',
    '${',
    '((',
    '))',
    '[[',
    ']]',
    '<<E\n',
    'E\n',
    ';',
    '|',
    '&',
    '&&',
    'if ',
    'then ',
    'fi',
    'case ',
    'esac',
    'for ',
    'do ',
    'done',
    '\\',
    '\n',
    'eval ',
    'sh -c ',
    'env ',
    'xargs ',
    '<(',
    '>',
    '=',
    '$x',
    '*',
    '~',
    'f() ',
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 60 }), async pieces => {
      expect(['allow', 'deny']).toContain(await judged(allows, pieces.join('')))
    }),
    { numRuns: 500 },
  )
})
