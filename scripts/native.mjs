// Compiles src/exec/native/start.c to dist/native/start-<processor>, where there is a C compiler: for this processor, and for others whose compiler Debian calls so.
// It needs no header and no library. Without it commands start by programs of the system, which takes 2 ms more.
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'src/exec/native/start.c')
const target = processor => join(root, 'dist/native', `start-${processor}`)
const compilers = { x64: ['x86_64-linux-gnu-gcc'], arm64: ['aarch64-linux-gnu-gcc'] }
const flags = ['-std=gnu11', '-Os', '-Wall', '-Wextra', '-Werror', '-ffreestanding', '-fno-stack-protector', '-fno-asynchronous-unwind-tables', '-fno-pie']
const linked = ['-no-pie', '-static', '-nostdlib', '-Wl,--build-id=none', '-Wl,-z,noseparate-code', '-Wl,-z,noexecstack', '-s']

function compile(compiler, processor) {
  try {
    execFileSync(compiler, [...flags, ...linked, '-o', target(processor), source], { stdio: ['ignore', 'ignore', 'pipe'] })
    return true
  } catch (error) {
    // Half a file is none.
    rmSync(target(processor), { force: true })
    if (error.code !== 'ENOENT') process.stderr.write(`${compiler} could not compile ${source}: commands will start more slowly\n${error.stderr}`)
    return false
  }
}

if (process.platform === 'linux') {
  mkdirSync(join(root, 'dist/native'), { recursive: true })
  for (const [processor, names] of Object.entries(compilers)) {
    const own = processor === process.arch ? ['cc', 'gcc', 'clang'] : []
    for (const name of [...own, ...names]) if (compile(name, processor)) break
  }
}
