// Decisions of a policy: `node bench/policy.mjs [decisions] [runs]`. Needs `npm run build`. The policy is the coding agent's of docs/policy.md, alone and behind 400 rules about
// other programs, some with regular expressions. The results go to stdout as Markdown.
import { readFileSync } from 'node:fs'
import { decide, parsePolicy } from '../dist/policy/index.js'
import { spread } from './lib.mjs'

const decisions = Number(process.argv[2] ?? 2000)
const runs = Number(process.argv[3] ?? 9)
const page = readFileSync(new URL('../docs/policy.md', import.meta.url), 'utf8')
const agent = /^## A coding agent without a network\n\n```yaml\n([\s\S]*?)```/m.exec(page)[1]
const more = Array.from({ length: 400 }, (_, i) => {
  if (i % 40 === 0) return `  - {match: {anyArg: {regex: '^--secret-${i}=.*[0-9]+$'}}, effect: deny}`
  return i % 4 === 0
    ? `  - {match: {program: 'tool-${i}*', args: 'run **'}, effect: allow}`
    : `  - {match: {program: [tool${i}, other${i}], args: 'run **'}, effect: allow}`
})
const policies = { 'the coding agent’s': agent, 'and 400 rules': agent.replace('rules:\n', () => `rules:\n${more.join('\n')}\n`) }
const commands = {
  'a program': { program: 'git', args: ['status', '--short'] },
  'a line': { shell: 'cd app && npm test 2>&1 | tail -50' },
  'a script of 12 commands': {
    shell: `set -e
for f in src/*.ts; do grep -c TODO "$f" | sort -n; done
x=$(git rev-parse HEAD); sh -c 'ls; cat a | head -3'
find . -name '*.o' -exec rm {} +
if git diff --quiet; then echo same; else git add -A && git commit -m "at $(date -u)"; fi`,
  },
}

console.log(`| µs each, median of ${runs} runs of ${decisions} (range) | wall clock | CPU |\n|---|---|---|`)
for (const [rules, text] of Object.entries(policies)) {
  const policy = await parsePolicy(text)
  for (const [name, command] of Object.entries(commands)) {
    const request = { command, cwd: '/', actor: 'agent', network: false }
    const [wall, cpu] = [[], []]
    for (let i = 0; i < decisions; i++) await decide(policy, request)
    for (let run = 0; run < runs; run++) {
      const [before, start] = [process.cpuUsage(), performance.now()]
      for (let i = 0; i < decisions; i++) await decide(policy, request)
      wall.push(((performance.now() - start) * 1000) / decisions)
      const { user, system } = process.cpuUsage(before)
      cpu.push((user + system) / decisions)
    }
    const w = spread(wall)
    console.log(`| ${name}, ${rules} | ${w.median.toFixed(0)} (${w.min.toFixed(0)}–${w.max.toFixed(0)}) | ${spread(cpu).median.toFixed(0)} |`)
  }
}
