// For an administrator of the platform: a box that finds tenants by name or subdomain and sets the one to act in. The
// keyboard works as in any combobox: arrows, Enter, Escape.

import { useEffect, useId, useRef, useState } from "react";

const TENANTS = `query Tenants($search: String) {
  tenants(first: 100, filter: { search: $search, isActive: true }) { nodes { id name subdomain } }
}`;
const NONE = { id: null, name: "No tenant: the platform", subdomain: "" };

export function TenantPicker({ session, chosen, ask }) {
  const [isOpen, setOpen] = useState(false);
  const [search, setSearch] = useState("");
  const [at, setAt] = useState(0);
  const found = useTenants(isOpen, search, session, ask);
  const choices = [...(search ? [] : [NONE]), ...(found ?? [])];
  const list = useId();
  const active = useRef(null);
  useEffect(() => {
    active.current?.scrollIntoView({ block: "nearest" });
  }, [at, isOpen]);

  const open = () => {
    setOpen(true);
    setAt(0);
  };
  const close = () => {
    setOpen(false);
    setSearch("");
  };
  const choose = (tenant) => {
    session.chooseTenant(tenant?.id ? tenant : null);
    close();
  };
  const onKeyDown = (event) => {
    const { key } = event;
    if (key === "Escape") return close();
    if (key === "Enter" && isOpen && choices[at]) choose(choices[at]);
    else if (key === "ArrowDown" && !isOpen) open();
    else if (key === "ArrowDown") setAt(Math.max(Math.min(at + 1, choices.length - 1), 0));
    else if (key === "ArrowUp") setAt(Math.max(at - 1, 0));
    else return;
    event.preventDefault();
  };

  return (
    <div className="picker">
      <input
        role="combobox"
        aria-label="Tenant to act in"
        aria-expanded={isOpen}
        aria-controls={list}
        aria-activedescendant={isOpen && choices[at] ? `${list}-${at}` : undefined}
        aria-autocomplete="list"
        placeholder={isOpen && chosen ? chosen.name : "Choose a tenant…"}
        value={isOpen ? search : (chosen?.name ?? "")}
        onChange={(event) => {
          open();
          setSearch(event.target.value);
        }}
        onClick={() => isOpen || open()}
        onBlur={close}
        onKeyDown={onKeyDown}
      />
      {isOpen && (
        <ul role="listbox" id={list} aria-label="Tenants">
          {choices.map((tenant, index) => (
            <li
              key={tenant.id ?? "none"}
              id={`${list}-${index}`}
              role="option"
              aria-selected={index === at}
              ref={index === at ? active : null}
              // Before the box loses the focus, and closes.
              onMouseDown={(event) => {
                event.preventDefault();
                choose(tenant);
              }}
            >
              {tenant.name} <small>{tenant.subdomain}</small>
            </li>
          ))}
          {choices.length === 0 && <li className="nothing">{found ? "No tenant is called so." : "Looking…"}</li>}
        </ul>
      )}
    </div>
  );
}

/** The tenants that match, asked for anew whenever the list is opened or the search changes; null until they are known. */
function useTenants(isOpen, search, session, ask) {
  // With what was searched for: of an older search nothing is to be chosen.
  const [found, setFound] = useState(null);
  useEffect(() => {
    if (!isOpen) return undefined;
    let isCurrent = true;
    const take = (tenants) => isCurrent && setFound({ search, tenants });
    const load = async () => {
      // Without a tenant: this is a look at the platform.
      const { authorization } = await session.headers();
      const { data } = await ask({ query: TENANTS, variables: { search: search || null } }, { authorization });
      take(data?.tenants.nodes ?? []);
    };
    const timer = setTimeout(() => load().catch(() => take([])), search ? 150 : 0);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [isOpen, search]);
  return found?.search === search ? found.tenants : null;
}
