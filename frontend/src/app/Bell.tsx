import { useQuery } from '@tanstack/react-query'
import { Bell as BellIcon } from 'lucide-react'
import { NavLink } from 'react-router'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useReader } from '@/chain/useAccess'

const SHOWN = 99

/** The way to the inbox, with how much of it waits to be read; nothing for a reader who is not signed in. */
export function Bell() {
  const reader = useReader()
  const polling = usePolling()
  const query = useQuery({
    queryKey: keys.unread,
    queryFn: endpoints.unread,
    enabled: reader !== undefined,
    refetchInterval: polling,
  })
  if (!reader) return null
  const unread = query.data?.unread ?? 0
  const name = unread > 0 ? `Notifications, ${unread} unread` : 'Notifications'
  return (
    <NavLink
      to="/notifications"
      aria-label={name}
      className="relative grid size-10 shrink-0 place-items-center rounded-control text-muted hover:bg-sunken"
    >
      <BellIcon aria-hidden className="size-4" />
      {unread > 0 && (
        <span
          aria-hidden
          className="absolute top-0.5 right-0 min-w-4 rounded-full bg-brand px-1 text-center text-[10px] leading-4 font-semibold text-on-brand tabular-nums"
        >
          {unread > SHOWN ? `${SHOWN}+` : unread}
        </span>
      )}
      <span role="status" className="sr-only">
        {unread > 0 ? `${unread} unread` : ''}
      </span>
    </NavLink>
  )
}
