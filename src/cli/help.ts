import { buildProgram, overview, unknownCommand } from './program.js'
import type { Run } from './spec.js'

export const run: Run = async (context, words) => {
  if (words.length === 0) {
    await context.out.write(overview())
    return 0
  }
  let command = buildProgram()
  for (const word of words) {
    const next = command.commands.find(one => one.name() === word || one.aliases().includes(word))
    if (next === undefined) throw unknownCommand(word, command)
    command = next
  }
  let text = ''
  command.configureOutput({ writeOut: part => (text += part) })
  command.outputHelp()
  await context.out.write(text)
  return 0
}
