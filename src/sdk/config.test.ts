import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { configFile, loadSettings, parseSize, parseSpan, parseSwitch, setUsedVolume } from './config.js'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-config-'))
  file = join(folder, 'config.yaml')
})
afterEach(() => rmSync(folder, { recursive: true }))

const load = (text: string | undefined, env: NodeJS.ProcessEnv = {}, args = {}) => {
  if (text !== undefined) writeFileSync(file, text)
  return loadSettings({ file, env: { CAIRN_HOME: folder, ...env }, arguments: args })
}

describe('settings', () => {
  test('argument over environment over file over default', async () => {
    const yaml = 'cacheSize: 1M\nlogLevel: debug\nreadOnly: true\n'
    const { settings, origins } = await load(yaml, { CAIRN_CACHE_SIZE: '2M', CAIRN_LOG_LEVEL: 'warn' }, { cacheSize: 3 })
    expect(settings).toMatchObject({ cacheSize: 3, logLevel: 'warn', readOnly: true, metadataTtl: 1000 })
    expect(origins.cacheSize).toEqual({ from: 'argument' })
    expect(origins.logLevel).toEqual({ from: 'environment', name: 'CAIRN_LOG_LEVEL' })
    expect(origins.readOnly).toEqual({ from: 'file', name: file })
    expect(origins.metadataTtl).toEqual({ from: 'default' })
  })

  test('cairn use lies between the environment and the file', async () => {
    setUsedVolume(folder, 'used')
    expect((await load('volume: written\n')).settings.volume).toBe('used')
    expect((await load(undefined, { CAIRN_VOLUME: 'named' })).settings.volume).toBe('named')
    setUsedVolume(folder, undefined)
    expect((await load(undefined)).settings.volume).toBe('written')
  })

  test('an empty variable is not set', async () => {
    const { origins } = await load(undefined, { CAIRN_READ_ONLY: '' })
    expect(origins.readOnly).toEqual({ from: 'default' })
  })

  test.each([
    ['CAIRN_READ_ONLY', 'maybe'],
    ['CAIRN_CACHE_SIZE', 'much'],
    ['CAIRN_METADATA_TTL', 'soon'],
    ['CAIRN_LOG_LEVEL', 'loud'],
  ])('%s=%s names the variable', async (name, value) => {
    await expect(load(undefined, { [name]: value })).rejects.toMatchObject({ code: 'ERR_CONFIG', exitCode: 2, message: expect.stringContaining(name) })
  })

  test.each([
    ['a: [1\nb: 2\n', /line \d/, /Correct that line/],
    ['\nvolumes: x\n', /line 2: there is no setting "volumes"/, /home, volume, store/],
    ['volume: work\n\ncacheSize: much\n', /line 3: cacheSize is "much"/, /256M/],
    ['volume: a b\n', /line 1: volume is "a b"/, /name of a volume/],
    ['readOnly: "yes"\n', /line 1: readOnly/, /true or false/],
    ['just text\n', /no keys/, /volume: work/],
  ])('a broken file %j names file and line', async (yaml, message, remedy) => {
    await expect(load(yaml)).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(message), remedy: expect.stringMatching(remedy) })
    await expect(load(yaml)).rejects.toMatchObject({ message: expect.stringContaining(file) })
  })

  test('an empty file sets nothing', async () => {
    expect((await load('# nothing\n')).origins.cacheSize).toEqual({ from: 'default' })
  })

  test('XDG_CONFIG_HOME moves the file', () => {
    expect(configFile({ HOME: '/home/a' })).toBe('/home/a/.config/cairn/config.yaml')
    expect(configFile({ HOME: '/home/a', XDG_CONFIG_HOME: '/etc/xdg' })).toBe('/etc/xdg/cairn/config.yaml')
  })
})

describe('values', () => {
  test.each([
    ['0', 0],
    ['512', 512],
    ['1K', 1024],
    ['1.5k', 1536],
    ['2MiB', 2 ** 21],
    ['3 GB', 3 * 2 ** 30],
    ['1e3', undefined],
    ['-1', undefined],
    ['', undefined],
    ['99999999999T', undefined],
  ])('size %j', (text, size) => expect(parseSize(text)).toBe(size))

  test.each([
    ['500ms', 500],
    ['2', 2000],
    ['2s', 2000],
    ['1.5m', 90_000],
    ['1h', 3_600_000],
    ['x', undefined],
  ])('span %j', (text, span) => expect(parseSpan(text)).toBe(span))

  test.each([
    ['1', true],
    ['yes', true],
    ['OFF', false],
    ['0', false],
    ['perhaps', undefined],
  ])('switch %j', (text, value) => expect(parseSwitch(text)).toBe(value))
})
