import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { sh, spread } from '../lib.mjs'

/** The same tree in git, and copied: what each of them costs for what cairn calls checkpoint, fork, diff, merge. */
export function peers(report, folder, files, runs) {
  const tree = join(folder, 'tree')
  const git = 'git -c user.name=x -c user.email=x -c gc.auto=0 -c core.fsync=none'
  for (const directory of new Set(files.map(dirname))) mkdirSync(tree + directory, { recursive: true })
  for (const file of files) writeFileSync(tree + file, Buffer.alloc(1024, 0x61))
  sh(`${git} init -q -b main && ${git} add -A && ${git} commit -qm base`, tree)
  let changes = 0
  const change = count => {
    const step = Math.floor(files.length / count)
    for (let i = 0; i < count; i++) writeFileSync(tree + files[i * step], `changed ${changes++}\n`)
  }
  const measure = (what, prepare, command, times = runs) => {
    const all = []
    for (let i = 0; i < times; i++) {
      prepare(i)
      const start = performance.now()
      sh(command.replaceAll('%', String(i)), tree)
      all.push(performance.now() - start)
    }
    report.add(what, spread(all), 'ms')
  }
  const nothing = () => {}
  measure('git: add and commit of 10 changes (a checkpoint)', () => change(10), `${git} add -A && ${git} commit -qm x`)
  measure('git: branch (a fork without files)', nothing, `${git} branch b-%`)
  measure('git: worktree add (a fork)', nothing, `${git} worktree add -q ../worktree-% b-%`, Math.min(runs, 2))
  measure('git: diff with 10 changes of two commits', nothing, `${git} diff --name-status HEAD~1 HEAD`)
  measure('git: diff with 10 changes of the working tree', () => change(10), `${git} diff --name-status HEAD || true`)
  sh(`${git} add -A && ${git} commit -qm x`, tree)
  measure(
    'git: merge of a branch with 100 changed files',
    i => {
      sh(`${git} checkout -q -b m-${i}`, tree)
      change(100)
      sh(`${git} add -A && ${git} commit -qm m && ${git} checkout -q main`, tree)
      writeFileSync(join(tree, `other-${i}`), 'main goes on\n')
      sh(`${git} add -A && ${git} commit -qm o`, tree)
    },
    `${git} merge -q --no-edit m-%`,
  )
  measure('git: log of one file', nothing, `${git} log --oneline -- .${files[0]}`)
  for (const worktree of [0, 1]) rmSync(join(folder, `worktree-${worktree}`), { recursive: true, force: true })
  measure('cp -r (a fork)', nothing, 'cp -r . ../copy-%', 1)
  rmSync(join(folder, 'copy-0'), { recursive: true, force: true })
  measure('cp -r --reflink=auto (a fork)', nothing, 'cp -r --reflink=auto . ../copy-%', 1)
  rmSync(join(folder, 'copy-0'), { recursive: true, force: true })
}
