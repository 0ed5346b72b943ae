import { describe, expect, it } from 'vitest'
import { Access, PathRules, type RuleGlobs } from './rules.js'

const name = (access: number): string | undefined => Object.keys(Access).find(key => Access[key as keyof typeof Access] === access)
const judged = (globs: RuleGlobs, paths: string[]): Record<string, string | undefined> => {
  const rules = new PathRules(globs)
  return Object.fromEntries(paths.map(path => [path, name(rules.accessOf(path))]))
}

describe('rules of a view', () => {
  it('a glob without a slash is a name anywhere, and means all below it', () => {
    expect(judged({ hidden: ['.env', '*.pem'] }, ['/.env', '/a/.env', '/a/.env/x', '/a/env', '/k.pem', '/.envrc'])).toEqual({
      '/.env': 'hidden',
      '/a/.env': 'hidden',
      '/a/.env/x': 'hidden',
      '/a/env': 'writable',
      '/k.pem': 'hidden',
      '/.envrc': 'writable',
    })
  })

  it('a glob with a slash is a path from the root; one of a directory may end in a slash', () => {
    expect(
      judged({ readOnly: ['src/gen', '/etc/', 'docs/**', 'a/*/c'] }, ['/src', '/src/gen/x', '/x/src/gen', '/etc', '/etc/p', '/docs', '/a/b/c/d', '/a/b/d']),
    ).toEqual({
      '/src': 'writable',
      '/src/gen/x': 'readOnly',
      '/x/src/gen': 'writable',
      '/etc': 'readOnly',
      '/etc/p': 'readOnly',
      '/docs': 'readOnly',
      '/a/b/c/d': 'readOnly',
      '/a/b/d': 'writable',
    })
  })

  it('what is writable makes all else read-only, and the strictest counts', () => {
    const globs = { writable: ['build', '*.log'], readOnly: ['build/keep'], hidden: ['build/keep/key'] }
    expect(judged(globs, ['/', '/src', '/build', '/build/a/b', '/x/y.log', '/build/keep/z.log', '/build/keep/key'])).toEqual({
      '/': 'readOnly',
      '/src': 'readOnly',
      '/build': 'writable',
      '/build/a/b': 'writable',
      '/x/y.log': 'writable',
      '/build/keep/z.log': 'readOnly',
      '/build/keep/key': 'hidden',
    })
    expect(judged({ writable: [] }, ['/a'])).toEqual({ '/a': 'readOnly' })
  })

  it('reads names as UTF-8, whatever bytes they have', () => {
    const bytes = (text: string): string => Buffer.from(text).toString('latin1')
    expect(new PathRules({ hidden: ['gehé?m'] }).accessOf(bytes('/gehéim'))).toBe(Access.hidden)
    expect(new PathRules({ hidden: ['x*'] }).accessOf('/x\xff')).toBe(Access.hidden)
  })

  it('an exclamation mark is none of a negation', () => {
    expect(judged({ hidden: ['!a'] }, ['/a', '/b', '/!a'])).toEqual({ '/a': 'writable', '/b': 'writable', '/!a': 'hidden' })
  })

  it.each([
    { hidden: [''] },
    { readOnly: ['/'] },
    { writable: ['a/../b'] },
    { hidden: ['./a'] },
    { hidden: ['a\0'] },
    { hidden: [1 as unknown as string] },
    { hidden: 'a' as unknown as string[] },
  ])('refuses %o', globs => {
    expect(() => new PathRules(globs)).toThrow(expect.objectContaining({ code: 'ERR_VIEW_RULES' }))
  })

  it('knows when it has no effect', () => {
    expect(new PathRules({}).isEmpty).toBe(true)
    expect(new PathRules({ hidden: [] }).isEmpty).toBe(true)
    expect(new PathRules({ writable: [] }).isEmpty).toBe(false)
    expect(new PathRules({ hidden: ['a'] }).isEmpty).toBe(false)
  })
})
