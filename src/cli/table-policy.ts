import type { CommandSpec } from './spec.js'

/** Of commands that ask a policy. */
const asked: CommandSpec['options'] = [
  ['--shell <text>', 'a text for a shell instead of a command'],
  ['--cwd <dir>', 'where it would run; default /'],
  ['--as <actor>', 'who would run it'],
  ['--network', 'it asks for the network'],
]

/** Commands about what may be run in a volume. */
export const policyCommands: readonly CommandSpec[] = [
  {
    name: 'policy show',
    operands: '<volume>',
    about: 'Print the policy of a volume',
    examples: [['cairn policy show work', '']],
    completes: 'volume',
    reads: true,
    load: () => import('./policy-show.js'),
  },
  {
    name: 'policy set',
    operands: '<volume> [file]',
    about: 'Replace the policy of a volume by a file; a broken one is refused, with line and column',
    options: [['--none', 'take it away']],
    examples: [
      ['cairn policy set work cairn.policy.yaml', ''],
      ['cairn policy set work --none', 'back to what counts without one'],
    ],
    completes: 'volume',
    load: () => import('./policy-set.js'),
  },
  {
    name: 'policy edit',
    operands: '<volume>',
    about: 'Change the policy of a volume in $EDITOR',
    examples: [['cairn policy edit work', '']],
    completes: 'volume',
    load: () => import('./policy-edit.js'),
  },
  {
    name: 'policy test',
    operands: '<volume> [file]',
    about: 'Try the examples of a policy, or of a file that is to become one; exits 1 when one comes out otherwise',
    examples: [['cairn policy test work', '']],
    completes: 'volume',
    reads: true,
    load: () => import('./policy-test.js'),
  },
  {
    name: 'policy check',
    operands: '<volume> [command...]',
    usage: '<volume> -- CMD ARGS…',
    about: 'What the policy says to a command, without running it; exits 126 when it is denied',
    options: asked,
    globs: true,
    examples: [
      ['cairn policy check work -- git push --force', ''],
      ["cairn policy check work --shell 'npm test | tail' --cwd /app", ''],
    ],
    completes: 'volume',
    reads: true,
    load: () => import('./policy-check.js'),
  },
  {
    name: 'policy explain',
    operands: '<volume> [command...]',
    usage: '<volume> -- CMD ARGS…',
    about: 'The same with every command that it runs, the rule for each, and the limits',
    options: asked,
    globs: true,
    examples: [["cairn policy explain work --shell 'ls $(git status)'", '']],
    completes: 'volume',
    reads: true,
    load: () => import('./policy-explain.js'),
  },
  {
    name: 'approvals',
    about: 'The commands that wait until a person answers',
    options: [
      ['--watch', 'go on with each that comes; with --json a line each'],
      ['--all', 'those that were answered, too'],
    ],
    examples: [['cairn approvals --watch', '']],
    reads: true,
    load: () => import('./approvals.js'),
  },
  {
    name: 'approve',
    operands: '<id>',
    about: 'Let a command that waits run',
    options: [
      ['--always', 'write a rule for it into the policy of its volume'],
      ['--reason <text>', 'what whoever asked is told'],
    ],
    examples: [
      ['cairn approve ask-1f6b2c9d04', 'this once'],
      ['cairn approve ask-1f6b2c9d04 --always', 'and whenever it is asked again'],
    ],
    load: () => import('./approve.js'),
  },
  {
    name: 'deny',
    operands: '<id>',
    about: 'Refuse a command that waits',
    options: [['--reason <text>', 'what whoever asked is told']],
    examples: [['cairn deny ask-1f6b2c9d04 --reason "not on a Friday"', '']],
    load: () => import('./deny.js'),
  },
]
