import { describe, expect, it } from 'vitest'
import { forkName } from './fork-name.js'
import { checkRace } from './race.js'
import { checkOptions } from './request.js'
import type { ExecCommand, ExecOptions } from './types.js'

const command = { program: 'true', args: [] }
const given = (options: unknown): void => checkOptions(command, options as ExecOptions)
const wrong = (message: string | RegExp) => expect.objectContaining({ code: 'ERR_EXEC_OPTION', exitCode: 125, message: expect.stringMatching(message) })

describe('options of a command', () => {
  it.each([
    [{ sandbox: 'Strict' }, 'sandbox is "Strict".'],
    [{ network: 'off' }, 'network is "off".'],
    [{ timeout: 5 }, 'There is no option timeout.'],
    [{ readonly: true }, 'There is no option readonly.'],
    [{ toString: 1 }, 'There is no option toString.'],
    [{ readOnly: 'yes' }, 'readOnly is "yes".'],
    [{ checkpoint: 0 }, 'checkpoint is 0.'],
    [{ timeoutMs: '5' }, 'timeoutMs is "5".'],
    [{ timeoutMs: 0 }, 'timeoutMs is 0.'],
    [{ timeoutMs: Number.NaN }, 'timeoutMs is NaN.'],
    [{ cwd: 5 }, 'cwd is 5.'],
    [{ env: { A: 1 } }, 'env is an object.'],
    [{ env: { 'A=B': 'x' } }, 'env is an object.'],
    [{ env: null }, 'env is an object.'],
    [{ readable: '/opt' }, 'readable is "/opt".'],
    [{ signal: {} }, 'signal is an object.'],
    [{ onAsk: true }, 'onAsk is true.'],
    [{ fork: true, readOnly: true }, 'needs no fork'],
    [null, 'The options are no object.'],
    ['-l', 'The options are no object.'],
  ])('that cannot be are refused, since they would promise less than was meant: %j', (options, message) => {
    expect(() => given(options)).toThrow(wrong(message))
  })

  it.each([5, '', 'two\nlines', 'x'.repeat(201), '\u001b[2J'])('has no actor %j', actor => {
    expect(() => given({ actor })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }))
  })

  it('that are there are taken', () => {
    const none = { cwd: undefined, timeoutMs: undefined, env: undefined, actor: undefined, signal: undefined }
    given(none)
    given({ cwd: '', timeoutMs: 1, env: { 'A B': '' }, sandbox: 'strict', network: 'none', stdin: 'text', actor: 'ann', signal: new AbortController().signal })
  })
})

describe('a command', () => {
  it.each([
    undefined,
    5,
    'true',
    {},
    { shell: 5 },
    { program: 'ls', args: [5] },
    { program: 'ls', args: '-l' },
    { program: 'ls' },
    { program: 'a\0b', args: [] },
  ])('is not %j', one => {
    expect(() => checkOptions(one as unknown as ExecCommand, {})).toThrow(wrong(/command/))
  })
})

describe('a race', () => {
  it.each([
    [undefined, {}, '0 attempts'],
    [[], {}, '0 attempts'],
    [[5], {}, 'That is no command.'],
    [['true'], { jobs: 1.5 }, '1.5 attempts'],
    [['true'], { merge: 'all' }, 'merge is "all".'],
    [['true'], { score: 5 }, 'That is no command.'],
    [['true'], { network: 'off' }, 'network is "off".'],
  ])('of %j with %j is refused before anything is forked', (attempts, options, message) => {
    expect(() => checkRace(attempts as string[], options as object)).toThrow(wrong(message))
  })
})

it('forks of a volume with the longest name have names, and can have copies', () => {
  const forks = ['race-0123456789abcdef-1', 'race-0123456789abcdef-1000'].map(of => forkName('v'.repeat(100), of))
  expect(new Set(forks).size).toBe(2)
  for (const fork of forks) expect(`${fork}-score`.length).toBeLessThanOrEqual(100)
  expect(forkName('w', 'run-1')).toBe('w-run-1')
})
