/** A call of a tool within free text: what begins it, what its arguments are, and what ends it. */
export interface TaggedSchema {
  readonly begin: string
  readonly schema: unknown
  readonly end: string
}

/** What an output must look like. */
export type GrammarSpec =
  /** Any JSON object. */
  | { readonly kind: 'json' }
  /** JSON that is valid under a JSON Schema. */
  | { readonly kind: 'json-schema'; readonly schema: unknown }
  /** A text that an expression matches from its beginning to its end. */
  | { readonly kind: 'regex'; readonly pattern: string }
  /** A grammar in extended Backus–Naur form; `root` names its first rule. Default 'root'. */
  | { readonly kind: 'ebnf'; readonly grammar: string; readonly root?: string }
  /** One of these texts. */
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  /** One of the tags, and nothing else. References within a schema are to that schema. */
  | { readonly kind: 'one-tag'; readonly tags: readonly TaggedSchema[] }
  /** Any text, until it says a trigger, which begins one of the tags; then that tag to its end, then any text again. */
  | { readonly kind: 'tagged'; readonly triggers: readonly string[]; readonly tags: readonly TaggedSchema[] }
