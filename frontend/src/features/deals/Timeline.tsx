import type { TimelineItem } from '@/api/types'
import { cn } from '@/components/ui/cn'
import { RelativeTime } from '@/components/ui/Time'
import { ChainNote } from '@/components/web3/TxLink'

const KEY = (item: TimelineItem) =>
  `${item.source}-${item.kind}-${item.at}-${item.chain?.tx_hash ?? ''}-${item.chain?.log_index ?? ''}`

/** What happened, oldest first: violet dots come from the chain, indigo ones from signed messages. */
export function Timeline({ items }: { items: readonly TimelineItem[] }) {
  return (
    <ol aria-label="Timeline" className="grid">
      {items.map((item, index) => (
        <li key={KEY(item)} className="relative flex gap-3.5 pb-4 last:pb-0">
          {index < items.length - 1 && (
            <span aria-hidden className="absolute top-4 bottom-0 left-[4.5px] w-px bg-line" />
          )}
          <span
            aria-hidden
            className={cn('mt-1.5 size-2.5 shrink-0 rounded-full', item.source === 'chain' ? 'bg-chain' : 'bg-brand')}
          />
          <div className="min-w-0">
            <p className="font-medium break-words">{item.sentence}</p>
            <p className="flex flex-wrap items-center gap-x-2 text-xs text-muted">
              <RelativeTime at={item.at} />
              {item.chain && (
                <ChainNote chain={item.finality ? { ...item.chain, finality: item.finality } : item.chain} />
              )}
            </p>
          </div>
        </li>
      ))}
    </ol>
  )
}
