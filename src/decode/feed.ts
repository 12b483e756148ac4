import type { Stepper, StepperState } from './stepper.ts'

/**
 * Most tokens of one call, after which an abort is heard. Cuts lie at multiples of it, where the engine has them too: where a prompt is cut
 * decides how sums are rounded.
 */
const piece = 256

/**
 * Appends tokens, of which there is at least one, and gives the logits `[vocabulary]` behind the last. After an abort the state holds the
 * pieces that were fed before it.
 */
export async function feed<State extends StepperState>(
  stepper: Stepper<State>,
  state: State,
  tokens: readonly number[],
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  for (let fed = 0; ; ) {
    const end = Math.min(tokens.length, fed + piece - (state.length % piece))
    const logits = end === tokens.length ? 'last' : 'none'
    const extension = { state, tokens: tokens.slice(fed, end) }
    const [output] = await stepper.extend([extension], { keep: 'append', logits, ...(signal && { signal }) })
    signal?.throwIfAborted()
    if (logits === 'last') return output!.logits
    fed = end
  }
}
