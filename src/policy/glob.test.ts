import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { literalGlob, pathGlobs, textGlob } from './glob.js'

describe('globs of text', () => {
  test.each([
    ['abc', 'abc', true],
    ['abc', 'abcd', false],
    ['a*', 'a/b', true],
    ['*.ts', '.ts', true],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['[a-c]x', 'bx', true],
    ['[!a-c]x', 'bx', false],
    ['[]]x', ']x', true],
    ['{npm,pnpm}', 'pnpm', true],
    ['{a,b{c,d}}e', 'bde', true],
    ['{a}', '{a}', true],
    ['\\*', '*', true],
    ['\\*', 'x', false],
    ['', '', true],
    ['*', '', true],
    ['-*r*', '-fr', true],
    ['**', 'anything', true],
  ])('%j and %j: %j', (glob, text, expected) => {
    expect(textGlob(glob)(text)).toBe(expected)
  })

  test('hostile text takes no longer than the product of both', () => {
    expect(textGlob(`${'a*'.repeat(400)}b`)('a'.repeat(20_000))).toBe(false)
  })

  test('a glob without anything special is what it says', () => {
    expect(literalGlob('a\\*b')).toBe('a*b')
    expect(literalGlob('a*b')).toBeUndefined()
  })

  test('stars mean what a plain search says', () => {
    const piece = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 3 })
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 }), (pieces, text) => {
        expect(textGlob(pieces.join('*'))(text)).toBe(new RegExp(`^${pieces.join('.*')}$`).test(text))
      }),
    )
  })
})

describe('globs of paths', () => {
  test.each([
    [['.env'], '/.env', true],
    [['.env'], '/a/b/.env', true],
    [['.env'], '/a/.env/key', true],
    [['.env*'], '/a/.env.local', true],
    [['/.env'], '/a/.env', false],
    [['src/**'], '/src/a/b.ts', true],
    [['src/**'], '/src', true],
    [['src/**'], '/lib/src/a', false],
    [['src'], '/lib/src/a', true],
    [['/src/'], '/src/a', true],
    [['**/*.pem'], '/a/b.pem', true],
    [['a/**/z'], '/a/z', true],
    [['a/**/z'], '/a/b/c/z/below', true],
    [['a/*/z'], '/a/b/c/z', false],
    [['**'], '/', true],
    [['/'], '/x', true],
    [['*.{pem,key}'], '/x.key', true],
    [[], '/x', false],
  ])('%j and %j: %j', (globs, path, expected) => {
    expect(pathGlobs(globs)(path)).toBe(expected)
  })
})
