import { expect, test } from 'vitest'
import { mountOf } from './mount-table.js'

const at = (path: string) => ({ path, mountpoint: path, device: '0:1', type: 'fuse.cairn', source: 'work', readOnly: false })

test('the deepest mount holds a path, and only whole components count', () => {
  const mounts = [at('/a'), at('/a/b'), at('/c')]
  expect(mountOf('/a/b/x', mounts)?.path).toBe('/a/b')
  expect(mountOf('/a/bc', mounts)?.path).toBe('/a')
  expect(mountOf('/a', mounts)?.path).toBe('/a')
  expect(mountOf('/cd', mounts)).toBeUndefined()
})
