import { checkStepper } from './checks.ts'
import { type Continuation, type GeneratedToken, type GenerateOptions, openContinuation, whilePreparing } from './continuation.ts'
import { feed } from './feed.ts'
import type { Stepper, StepperState } from './stepper.ts'

/**
 * Continues the prompt token by token. Leaving the loop, an abort and an error all free the stepper's state. Everything is checked at
 * the call, before any work: throws OptionError on an unknown option or a value out of range, DataError when the prompt is empty or
 * holds no ids of the vocabulary, ContextError when it is longer than the context. Iterating throws what the stepper and the rules
 * throw, and the signal's reason after an abort.
 * @example
 * for await (const { token, finish } of generate(stepper, [1, 5], { maxTokens: 20, topP: 0.9, seed: 7 })) tokens.push(token)
 */
export function generate<State extends StepperState>(
  stepper: Stepper<State>,
  prompt: ArrayLike<number>,
  options: GenerateOptions = {},
): AsyncGenerator<GeneratedToken, void, undefined> {
  checkStepper(stepper)
  return run(stepper, openContinuation(stepper, prompt, options))
}

async function* run<State extends StepperState>(
  stepper: Stepper<State>,
  continuation: Continuation,
): AsyncGenerator<GeneratedToken, void, undefined> {
  const { signal } = continuation
  signal?.throwIfAborted()
  const state = await stepper.open()
  try {
    for (let fed = 0; ; ) {
      const tokens = continuation.tokens.slice(fed)
      fed += tokens.length
      const chosen = await continuation.next(await whilePreparing(continuation, feed(stepper, state, tokens, signal)))
      yield chosen
      if (chosen.finish !== undefined) return
      signal?.throwIfAborted()
    }
  } finally {
    await Promise.all([stepper.close(state), continuation.close()])
  }
}
