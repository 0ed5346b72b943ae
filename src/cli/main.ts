import { writeSync } from 'node:fs'
import type { Context, OpenCairn } from './context.js'
import { Output, type Streams } from './output.js'
import { StandardOutput } from './standard-output.js'

/** Commands whose exit code is that of what they run. */
const RUNNING = new Set(['exec', 'proxy', 'race'])

const isWord = (word: string): boolean => !word.startsWith('-')

const openCairn: OpenCairn = async options => {
  const { Cairn } = await import('../sdk/cairn.js')
  return Cairn.open(options)
}

/**
 * Runs one command line (without `node` and the script) to its end and returns the exit code: 0, 1 for a failure, 2 for a mistake of usage.
 * Never throws; prints to the streams given.
 */
export async function main(argv: readonly string[], streams: Streams, open: OpenCairn = openCairn): Promise<number> {
  const json = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : argv.length).includes('--json')
  const out = new Output(streams)
  const { Context } = await import('./context.js')
  let context: Context = new Context({ json, out, open })
  try {
    const parsed = await parse(argv, out)
    if (parsed === undefined) return 0
    const { home } = parsed.options
    // Where a command has an --actor of its own it means whose changes.
    const isOwn = parsed.spec.options?.some(([flags]) => flags.startsWith('--actor ')) === true
    const actor = isOwn ? undefined : parsed.options['actor']
    const dashes = parsed.spec.globs === true ? argv.indexOf('--') : -1
    const args = dashes < 0 ? parsed.args : parsed.args.slice(0, parsed.args.length - (argv.length - dashes - 1))
    const given = { ...(typeof home === 'string' && { home }), ...(typeof actor === 'string' && { actor }) }
    context = new Context({
      json,
      out,
      open,
      globs: parsed.args.slice(args.length),
      reads: parsed.spec.reads === true,
      commandLine: ['cairn', ...argv],
      ...given,
    })
    const { run } = await parsed.spec.load()
    return (await run(context, args, parsed.options)) ?? 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE') return 0
    return await (RUNNING.has(argv.find(isWord) ?? '') ? context.notRun(error) : context.failure(error))
  } finally {
    await context.close().catch(error => out.note(`cairn: ${error instanceof Error ? error.message : error}`))
  }
}

async function parse(argv: readonly string[], out: Output) {
  const { buildProgram, CommanderError, overview, quiet, unknownCommand, usageFrom } = await import('./program.js')
  let parsed: import('./program.js').Parsed | undefined
  let help = ''
  const first = argv.find(isWord)
  const program = buildProgram(found => {
    parsed = found
  }, first)
  quiet(program, text => {
    help += text
  })
  if (first === undefined && argv.some(word => word === '--version' || word === '-V')) {
    const { version } = await import('../server/version.js')
    await out.lines([version])
    return undefined
  }
  if (first === undefined && argv.every(word => ['-h', '--help', '--json'].includes(word))) {
    await out.write(overview())
    return undefined
  }
  if (first !== undefined && !program.commands.some(command => command.name() === first || command.aliases().includes(first)))
    throw unknownCommand(first, program)
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.code === 'commander.help' || error.code === 'commander.helpDisplayed') {
      await out.write(help)
      return undefined
    }
    throw usageFrom(error, program, argv)
  }
  return parsed
}

/** The process of `bin/cairn`. */
export async function runProcess(): Promise<void> {
  // A reader that went away (`cairn ls | head -1`) is no failure.
  const stdout = new StandardOutput(1, ({ code }) => {
    // Written at once: the process ends here.
    if (code !== 'EPIPE') writeSync(2, `cairn: Standard output could not be written (${code}). Make room where it goes to, or write it elsewhere.\n`)
    process.exit(code === 'EPIPE' ? 0 : 1)
  })
  const stderr = new StandardOutput(2, () => {})
  const streams: Streams = {
    // Making this stream takes 3 ms, and few commands read it.
    get stdin() {
      return process.stdin
    },
    stdout,
    stderr,
    env: process.env,
  }
  const code = await main(process.argv.slice(2), streams)
  // Idle handles must not keep the command alive, and what was printed must be out first.
  process.exitCode = code
  stdout.finish(() => stderr.finish(() => process.exit(code)))
}
