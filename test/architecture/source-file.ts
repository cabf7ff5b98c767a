/**
 * A source file as the architecture test sees it: its path, its text, what it imports, and its code with comments and
 * strings blanked out, so that a word in a sentence is not taken for a call. A scanner of fifty lines instead of a
 * compiler: it must only be right for code that our formatter has passed.
 */

export interface SourceFile {
  /** From the root of the repository, with forward slashes. */
  readonly path: string
  readonly text: string
}

export interface ImportStatement {
  readonly specifier: string
  readonly line: number
}

/** `import … from`, `export … from`, bare `import '…'` at the start of a line; and `import('…')` anywhere. */
const STATIC_IMPORT = /^[ \t]*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm
const BARE_IMPORT = /^[ \t]*import\s*['"]([^'"]+)['"]/gm
const DYNAMIC_IMPORT = /\b(?:import|require|import\.meta\.resolve)\(\s*['"]([^'"]+)['"]/g

export function importsOf(file: SourceFile): ImportStatement[] {
  const text = blankComments(file.text)
  const found: ImportStatement[] = []
  for (const pattern of [STATIC_IMPORT, BARE_IMPORT, DYNAMIC_IMPORT]) {
    for (const match of text.matchAll(pattern)) {
      found.push({ specifier: match[1] ?? '', line: lineAt(text, match.index + match[0].length) })
    }
  }
  return found
}

export function lineAt(text: string, offset: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line++
  return line
}

export function lineCount(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts') || path.startsWith('test/')
}

export function blankComments(text: string): string {
  return blank(text, false)
}

/** Comments and the insides of strings, templates and regular expressions become spaces; lines stay. */
export function codeOf(text: string): string {
  return blank(text, true)
}

/** One alternative per thing that may hide a word; whatever matches first at a place wins. */
const HIDING =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`|\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/g
/** A slash after a value divides; after anything else it opens a regular expression. */
const AFTER_VALUE = /[\w$)\]}'"`]\s*$/

function blank(text: string, strings: boolean): string {
  const pattern = new RegExp(HIDING)
  let out = ''
  let at = 0
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const [hidden] = match
    const comment = hidden.startsWith('//') || hidden.startsWith('/*')
    const slash = !comment && hidden.startsWith('/')
    if (slash && AFTER_VALUE.test(text.slice(Math.max(0, match.index - 20), match.index))) {
      pattern.lastIndex = match.index + 1
      continue
    }
    out += text.slice(at, match.index)
    out += comment || strings ? hidden.replace(/[^\n]/g, ' ') : hidden
    at = match.index + hidden.length
  }
  return out + text.slice(at)
}
