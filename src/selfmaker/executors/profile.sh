# What a login shell of a run reads in place of the host's /etc/profile, which may set PATH anew: as in a container, the
# PATH of the run's environment stays.
for i in /etc/profile.d/*.sh; do
  [ -r "$i" ] && . "$i"
done
unset i
