import { doctor } from '../sdk/doctor.js'
import type { Check } from '../sdk/types.js'
import type { Context } from './context.js'
import type { Run } from './spec.js'

export const run: Run = async (context, _args, options) => {
  const { settings } = await context.config()
  const report = await doctor({ home: settings.home, install: options['install'] === true })
  await context.result(report, () => [
    ...(report.ran ?? []).map(command => `ran: ${command}`),
    ...report.checks.flatMap(check => checkLines(check, context)),
    report.ok ? 'All is well.' : 'Something is wrong; each line above that starts with a cross says how to fix it.',
  ])
  return report.ok ? 0 : 1
}

function checkLines(check: Check, { out }: Context): string[] {
  const mark = check.ok ? out.green('✓') : check.severity === 'error' ? out.red('✗') : out.yellow('!')
  return [`${mark} ${check.name}: ${check.detail}`, ...(check.ok || check.fix === undefined ? [] : [`    ${check.fix}`])]
}
