import { expect, test } from 'vitest'
import { parseMountInfo } from './mount-table.js'

test('mountinfo is read with its escapes and optional fields', () => {
  const text = [
    '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
    '40 22 0:35 / /mnt/a\\040b\\134c rw,nosuid shared:9 master:2 - fuse.cairn cairn rw,user_id=0',
    '41 22 0:36 / /plain rw - tmpfs tmpfs rw',
    '',
  ].join('\n')
  expect(parseMountInfo(text)).toEqual([
    { mountpoint: '/', type: 'ext4', source: '/dev/vda', options: 'rw,relatime' },
    { mountpoint: '/mnt/a b\\c', type: 'fuse.cairn', source: 'cairn', options: 'rw,nosuid' },
    { mountpoint: '/plain', type: 'tmpfs', source: 'tmpfs', options: 'rw' },
  ])
})
