import { Check } from 'lucide-react'
import { cn } from './cn'

/** What was verified here, a sentence each. */
export function Checks({ sentences, small = false }: { sentences: readonly string[]; small?: boolean }) {
  return (
    <ul className={cn('grid gap-1 text-ok', small ? 'text-xs' : 'text-sm')}>
      {sentences.map((sentence) => (
        <li key={sentence} className="flex items-start gap-1.5">
          <Check aria-hidden className={cn('size-3.5 shrink-0', small ? 'mt-0.5' : 'mt-1')} />
          {sentence}
        </li>
      ))}
    </ul>
  )
}
