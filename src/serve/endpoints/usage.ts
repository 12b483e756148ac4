import type { TokenCounts } from '../observer.ts'

/** `usage` of completions. */
export function usageOf({ prompt, cached, generated }: TokenCounts) {
  return {
    prompt_tokens: prompt,
    completion_tokens: generated,
    total_tokens: prompt + generated,
    prompt_tokens_details: { cached_tokens: cached },
  }
}
