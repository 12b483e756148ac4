import ts from 'typescript'
import { readPublicNames } from './public-names.ts'
import { place, root, type Sources, walk } from './source-tree.ts'

/** A piece of TypeScript that documentation shows. */
export interface CodeBlock {
  /** `path:line`. */
  readonly place: string
  /** What follows ```` ```ts ```` on the opening line. */
  readonly meta: string
  readonly text: string
  /** For a docstring, the entry that exports what it documents: public names need no import there. Elsewhere undefined. */
  readonly entry: string | undefined
}

type Fenced = Pick<CodeBlock, 'meta' | 'text'> & { readonly line: number }

/** The ```` ```ts ```` blocks of Markdown texts, at the line of their fence. */
export function blocksOfMarkdown(sources: Sources): CodeBlock[] {
  return [...sources].flatMap(([path, source]) =>
    fencedBlocks(source).map(({ meta, text, line }) => ({ place: `${path}:${line}`, meta, text, entry: undefined })),
  )
}

/** The `@example`s of everything that the package exports, members included, at the line of their tag. */
export function blocksOfDocstrings(program: ts.Program): CodeBlock[] {
  const blocks = new Map<string, CodeBlock>()
  for (const { entry, declarations } of readPublicNames(program)) {
    for (const tag of declarations.flatMap((node) => [node, ...walk(node)]).flatMap(exampleTags)) {
      for (const block of blocksOfTag(tag, entry)) if (!blocks.has(block.place)) blocks.set(block.place, block)
    }
  }
  return [...blocks.values()]
}

function exampleTags(node: ts.Node): ts.JSDocTag[] {
  return ts.getJSDocTags(node).filter((tag) => tag.tagName.text === 'example')
}

/** An example without fences is code from end to end. */
function blocksOfTag(tag: ts.JSDocTag, entry: string): CodeBlock[] {
  const origin = `${place(tag.getSourceFile(), tag).replace(root, '')} @example`
  const comment = ts.getTextOfJSDocComment(tag.comment) ?? ''
  const pieces = comment.includes('```') ? fencedBlocks(comment) : [{ meta: '', text: comment, line: 1 }]
  return pieces.map(({ meta, text, line }) => ({
    place: `${origin}, line ${line}`,
    meta,
    text,
    entry,
  }))
}

const fence = /^[ \t]*(`{3,})[ \t]*(\S*)[ \t]*(.*?)[ \t]*\n([\s\S]*?)^[ \t]*\1[ \t]*$/gm

function fencedBlocks(source: string): Fenced[] {
  return [...source.matchAll(fence)].flatMap((match) => {
    const [, , language = '', meta = '', text = ''] = match
    if (!/^(ts|mts|typescript)$/i.test(language)) return []
    return [{ meta, text, line: source.slice(0, match.index).split('\n').length }]
  })
}
