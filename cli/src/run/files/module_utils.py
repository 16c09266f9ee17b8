# What Python modules of a user import as `ansible.module_utils`: the parts that they commonly use, by the same names.
# It stands before the module in one file; MUSTER_ARGUMENTS are the task's. Python 2.7 and 3 both read it.
import copy as _copy, datetime as _datetime, hashlib as _hashlib, os as _os, re as _re, shutil as _shutil
import subprocess as _subprocess, sys as _sys, tempfile as _tempfile, traceback as _traceback, types as _types

_TEXT = type(u'')
_SECRET = 'VALUE_SPECIFIED_IN_NO_LOG_PARAMETER'


def to_bytes(obj, encoding='utf-8', errors=None, nonstring='simplerepr'):
    if isinstance(obj, bytes):
        return obj
    if not isinstance(obj, _TEXT):
        if nonstring == 'passthru':
            return obj
        obj = _TEXT(obj)
    return obj.encode(encoding, 'surrogateescape' if _sys.version_info[0] > 2 else 'replace')


def to_text(obj, encoding='utf-8', errors=None, nonstring='simplerepr'):
    if isinstance(obj, _TEXT):
        return obj
    if isinstance(obj, bytes):
        return obj.decode(encoding, 'surrogateescape' if _sys.version_info[0] > 2 else 'replace')
    return obj if nonstring == 'passthru' else _TEXT(obj)


to_native = to_text if _sys.version_info[0] > 2 else to_bytes


def boolean(value, strict=True):
    if isinstance(value, bool):
        return value
    word = to_text(value).strip().lower()
    if word in ('y', 'yes', 'on', '1', 'true', 't', '1.0'):
        return True
    if word in ('n', 'no', 'off', '0', 'false', 'f', '0.0') or not strict:
        return False
    raise TypeError("The value '%s' is not a valid boolean." % to_native(value))


def missing_required_lib(library, reason=None, url=None):
    msg = "Failed to import the required Python library (%s) on %s's Python %s." % (library, _os.uname()[1], _sys.executable)
    if reason:
        msg += " This is required %s." % reason
    if url:
        msg += " See %s for more info." % url
    return msg + " Please read the module documentation and install it in the appropriate location."


def env_fallback(*names, **_):
    for name in names:
        if name in _os.environ:
            return _os.environ[name]
    raise LookupError('none of %s is set' % ', '.join(names))


def _as_list(value):
    if isinstance(value, list):
        return value
    if isinstance(value, _TEXT):
        return [part.strip() for part in value.split(',')]
    if isinstance(value, (int, float)):
        return [_TEXT(value)]
    raise TypeError('%s cannot be converted to a list' % type(value))


def _as_dict(value):
    if isinstance(value, dict):
        return value
    if isinstance(value, _TEXT):
        if value.strip().startswith('{'):
            return json.loads(value)
        if '=' in value:
            return dict(pair.strip().split('=', 1) for pair in _re.split(r'[,\s]+', value) if pair)
    raise TypeError('dictionary requested, could not parse JSON or key=value')


def _as_str(value):
    if isinstance(value, _TEXT):
        return value
    if isinstance(value, (dict, list)):
        return to_native(value)
    return _TEXT(value)


def _as_int(value):
    number = float(value)
    if isinstance(value, bool) or number != int(number):
        raise TypeError('%s cannot be converted to an int' % type(value))
    return int(number)


def _as_bytes_number(value):
    found = _re.match(r'^\s*(\d*\.?\d*)\s*([A-Za-z]+)?', _TEXT(value))
    units = dict((letter, 1 << (10 * power)) for power, letter in enumerate('BKMGTPEZY'))
    if not found or not found.group(1):
        raise TypeError("human_to_bytes() can't interpret following string: %s" % value)
    return int(round(float(found.group(1)) * units[(found.group(2) or 'B')[0].upper()]))


_KINDS = {
    'str': _as_str, 'list': _as_list, 'dict': _as_dict, 'bool': boolean, 'int': _as_int, 'float': float,
    'path': lambda value: _os.path.expanduser(_os.path.expandvars(_as_str(value))), 'raw': lambda value: value,
    'json': lambda value: value if isinstance(value, _TEXT) else json.dumps(value),
    'jsonarg': lambda value: value if isinstance(value, _TEXT) else json.dumps(value),
    'bytes': _as_bytes_number, 'bits': lambda value: 8 * _as_bytes_number(value),
}


class _Mistake(Exception):
    pass


class _Params(object):
    """The arguments as a specification wants them."""

    def __init__(self, spec, rules, secrets, where=''):
        self.spec, self.rules, self.secrets, self.where = spec, rules, secrets, where

    def of(self, given, may_ignore=False):
        given, found = dict(given), {}
        names = dict((alias, name) for name, one in self.spec.items() for alias in one.get('aliases') or [])
        for alias, name in names.items():
            if alias in given:
                given.setdefault(name, given[alias])
        unknown = sorted(name for name in given if name not in self.spec and name not in names)
        if unknown and not may_ignore:
            known = ', '.join(sorted(self.spec))
            raise _Mistake('Unsupported parameters for %%s module: %s. Supported parameters include: %s.' % (', '.join(unknown), known))
        for name, one in self.spec.items():
            found[name] = given.get(name)
            if found[name] is None and one.get('fallback'):
                found[name] = self.fallback(one['fallback'])
            if one.get('no_log') and found[name] not in (None, ''):
                self.secrets.add(_TEXT(found[name]))
        self.relations(found, 'mutually_exclusive')
        missing = sorted(name for name, one in self.spec.items() if one.get('required') and found[name] is None)
        if missing:
            raise _Mistake('missing required arguments: %s%s' % (', '.join(missing), self.place()))
        for name, one in self.spec.items():
            if found[name] is None:
                found[name] = one.get('default')
            if found[name] is not None:
                found[name] = self.value(name, one, found[name])
        for rule in ('required_together', 'required_one_of', 'required_if', 'required_by'):
            self.relations(found, rule)
        return found

    def place(self):
        return ' found in %s' % self.where if self.where else ''

    @staticmethod
    def fallback(fallback):
        args = [arg for arg in fallback[1:] if not isinstance(arg, dict)]
        args = args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
        try:
            return fallback[0](*args)
        except Exception:
            return None

    def value(self, name, one, value):
        kind = one.get('type') or 'str'
        value = self.converted(name, kind, value)
        choices = one.get('choices')
        for item in value if isinstance(value, list) else [value]:
            if choices and item not in choices:
                raise _Mistake('value of %s must be one of: %s, got: %s%s' % (name, ', '.join(_TEXT(c) for c in choices), item, self.place()))
        if kind == 'list' and one.get('elements'):
            value = [self.converted(name, one['elements'], item) for item in value]
        if one.get('options') is not None:
            inner = _Params(one['options'], one, self.secrets, name)
            deeper = lambda item: inner.of(_as_dict(item)) if item is not None else item
            value = [deeper(item) for item in value] if kind == 'list' else deeper(value)
        return value

    def converted(self, name, kind, value):
        convert = kind if callable(kind) else _KINDS.get(kind)
        if convert is None:
            raise _Mistake('implementation error: unknown type %s requested for %s' % (kind, name))
        try:
            return convert(value)
        except Exception as cause:
            raise _Mistake("argument '%s' is of type %s and we were unable to convert to %s: %s" % (name, type(value).__name__, kind, cause))

    def relations(self, found, rule):
        groups, has = self.rules.get(rule) or [], lambda name: found.get(name) is not None
        if rule == 'required_by':
            for name, needs in (groups or {}).items() if isinstance(groups, dict) else []:
                needs = [needs] if isinstance(needs, _TEXT) else needs
                self.need([need for need in needs if has(name) and not has(need)], "missing parameter(s) required by '%s'" % name)
            return
        if groups and rule != 'required_if' and isinstance(groups[0], (_TEXT, str)):
            groups = [groups]
        for group in groups:
            if rule == 'required_if':
                name, wanted, needs = group[:3]
                lacking = [need for need in needs if not has(need)]
                if found.get(name) == wanted and (len(lacking) == len(needs) if len(group) > 3 and group[3] else lacking):
                    all_or_any = 'any' if len(group) > 3 and group[3] else 'all'
                    raise _Mistake('%s is %s but %s of the following are missing: %s%s' % (name, wanted, all_or_any, ', '.join(lacking), self.place()))
                continue
            count, words = sum(1 for name in group if has(name)), '|'.join(group)
            if rule == 'mutually_exclusive' and count > 1:
                raise _Mistake('parameters are mutually exclusive: %s%s' % (words, self.place()))
            if rule == 'required_one_of' and count == 0:
                raise _Mistake('one of the following is required: %s%s' % (', '.join(group), self.place()))
            if rule == 'required_together' and 0 < count < len(group):
                raise _Mistake('parameters are required together: %s%s' % (', '.join(group), self.place()))

    def need(self, lacking, why):
        if lacking:
            raise _Mistake('%s: %s%s' % (why, ', '.join(lacking), self.place()))


def _gather_secrets(spec, given, secrets):
    """All values of `no_log` options, at any depth: they stay hidden also where the arguments turn out to be wrong."""
    if isinstance(given, _TEXT):
        try:
            given = _as_dict(given)
        except Exception:
            return
    if isinstance(given, list):
        for item in given:
            _gather_secrets(spec, item, secrets)
    if not isinstance(given, dict):
        return
    for name, one in spec.items():
        for known in [name] + list(one.get('aliases') or []):
            value = given.get(known)
            if one.get('no_log') and value not in (None, '') and not isinstance(value, (dict, list)):
                secrets.add(_TEXT(value))
            if one.get('options') is not None:
                _gather_secrets(one['options'], value, secrets)


FILE_COMMON_ARGUMENTS = dict(
    mode=dict(type='raw'), owner=dict(type='str'), group=dict(type='str'), seuser=dict(type='str'),
    serole=dict(type='str'), selevel=dict(type='str'), setype=dict(type='str'),
    attributes=dict(type='str', aliases=['attr']), unsafe_writes=dict(type='bool', default=False))


class AnsibleModule(object):
    def __init__(self, argument_spec, bypass_checks=False, no_log=False, mutually_exclusive=None,
                 required_together=None, required_one_of=None, add_file_common_args=False,
                 supports_check_mode=False, required_if=None, required_by=None):
        given = dict((name, value) for name, value in MUSTER_ARGUMENTS.items() if not name.startswith('_ansible_'))
        told = lambda name: MUSTER_ARGUMENTS.get('_ansible_' + name)
        self._name, self.check_mode, self._diff = told('module_name'), bool(told('check_mode')), bool(told('diff'))
        self.no_log, self._verbosity, self._debug = bool(told('no_log')) or no_log, told('verbosity') or 0, False
        self.supports_check_mode, self.ansible_version = supports_check_mode, told('version')
        self.run_command_environ_update, self.cleanup_files, self._warnings, self._deprecations = {}, [], [], []
        self.no_log_values, self._tmpdir, self._shell = set(), None, None
        self.argument_spec = dict(argument_spec)
        if add_file_common_args:
            for name, one in FILE_COMMON_ARGUMENTS.items():
                self.argument_spec.setdefault(name, one)
        self.params = dict(given)
        if self.check_mode and not supports_check_mode:
            self.exit_json(skipped=True, msg='remote module (%s) does not support check mode' % self._name)
        rules = dict(mutually_exclusive=mutually_exclusive, required_together=required_together,
                     required_one_of=required_one_of, required_if=required_if, required_by=required_by)
        _gather_secrets(self.argument_spec, given, self.no_log_values)
        try:
            self.params = _Params(self.argument_spec, rules, self.no_log_values).of(given)
        except _Mistake as mistake:
            text = mistake.args[0]
            self.fail_json(msg=text % ('(%s)' % self._name) if '%s module' in text else text)

    @property
    def tmpdir(self):
        if self._tmpdir is None:
            self._tmpdir = _tempfile.mkdtemp(prefix='ansible-moduletmp-')
            self.cleanup_files.append(self._tmpdir)
        return self._tmpdir

    def _hidden(self, value):
        if isinstance(value, dict):
            return dict((name, self._hidden(item)) for name, item in value.items())
        if isinstance(value, (list, tuple, set)):
            return [self._hidden(item) for item in value]
        if isinstance(value, bytes):
            value = to_text(value)
        if isinstance(value, (_datetime.datetime, _datetime.date)):
            return value.isoformat()
        if isinstance(value, _TEXT):
            # The longest first: a secret may be a part of another one.
            for secret in sorted(self.no_log_values, key=len, reverse=True):
                if value == secret:
                    return _SECRET
                value = value.replace(secret, '********')
            return value
        if value is None or isinstance(value, (bool, int, float)):
            return _SECRET if _TEXT(value) in self.no_log_values and not isinstance(value, bool) else value
        return to_native(value)

    def _end(self, kwargs, code):
        for path in self.cleanup_files:
            _shutil.rmtree(path, True) if _os.path.isdir(path) else _os.path.exists(path) and _os.remove(path)
        warnings = kwargs.pop('warnings', [])
        self._warnings.extend(warnings if isinstance(warnings, list) else [warnings])
        if self._warnings:
            kwargs['warnings'] = self._warnings
        deprecations = kwargs.pop('deprecations', [])
        for one in deprecations if isinstance(deprecations, list) else [deprecations]:
            self._deprecations.append(one if isinstance(one, dict) else dict(msg=one, version=None))
        if self._deprecations:
            kwargs['deprecations'] = self._deprecations
        kwargs.setdefault('invocation', {'module_args': self.params})
        print('\n%s' % json.dumps(self._hidden(kwargs)))
        _sys.stdout.flush()
        _sys.exit(code)

    def exit_json(self, **kwargs):
        self._end(kwargs, 0)

    def fail_json(self, msg=None, exception=None, **kwargs):
        kwargs.update(failed=True, msg=msg)
        if exception is not None or _sys.exc_info()[2]:
            kwargs['exception'] = to_native(exception) if exception and not isinstance(exception, BaseException) else _traceback.format_exc()
        self._end(kwargs, 1)

    def warn(self, warning, **_):
        if warning not in self._warnings:
            self._warnings.append(to_native(warning))

    def deprecate(self, msg, version=None, date=None, collection_name=None, **_):
        self._deprecations.append(dict(msg=msg, version=version, date=date, collection_name=collection_name))

    def log(self, *_, **__):
        pass

    debug = log

    def jsonify(self, data):
        return json.dumps(self._hidden(data))

    def from_json(self, data):
        return json.loads(data)

    def boolean(self, value):
        try:
            return boolean(value)
        except TypeError as cause:
            self.fail_json(msg=to_native(cause))

    def get_bin_path(self, arg, required=False, opt_dirs=None):
        try:
            return get_bin_path(arg, opt_dirs)
        except ValueError as cause:
            if required:
                self.fail_json(msg=to_native(cause))

    def digest_from_file(self, filename, algorithm):
        if not _os.path.exists(filename):
            return None
        if _os.path.isdir(filename):
            self.fail_json(msg='attempted to take checksum of directory: %s' % filename)
        digest = _hashlib.new(algorithm)
        with open(filename, 'rb') as content:
            for block in iter(lambda: content.read(65536), b''):
                digest.update(block)
        return digest.hexdigest()

    def md5(self, filename):
        return self.digest_from_file(filename, 'md5')

    def sha1(self, filename):
        return self.digest_from_file(filename, 'sha1')

    def sha256(self, filename):
        return self.digest_from_file(filename, 'sha256')

    def backup_local(self, fn):
        if not _os.path.exists(fn):
            return ''
        name = '%s.%s.%s~' % (fn, _os.getpid(), _datetime.datetime.now().strftime('%Y-%m-%d@%H:%M:%S'))
        _shutil.copy2(fn, name)
        return name

    def add_cleanup_file(self, path):
        self.cleanup_files.append(path)

    def atomic_move(self, src, dest, unsafe_writes=False, keep_dest_attrs=True):
        try:
            if keep_dest_attrs and _os.path.exists(dest):
                old = _os.stat(dest)
                _os.chmod(src, old.st_mode & 0o7777)
                if _os.getuid() == 0:
                    _os.chown(src, old.st_uid, old.st_gid)
            elif not _os.path.exists(dest):
                mask = _os.umask(0)
                _os.umask(mask)
                _os.chmod(src, 0o666 & ~mask)
            beside = dest + '.ansible_tmp%d' % _os.getpid()
            _shutil.move(src, beside)
            _os.rename(beside, dest)
        except (IOError, OSError) as cause:
            self.fail_json(msg='Could not replace file: %s to %s: %s' % (src, dest, to_native(cause)))

    def set_mode_if_different(self, path, mode, changed, *_):
        if mode is None:
            return changed
        wanted = int(mode, 8) if isinstance(mode, _TEXT) and mode.isdigit() else mode
        if not isinstance(wanted, int):
            self.fail_json(msg='mode must be in octal here', path=path)
        if _os.stat(path).st_mode & 0o7777 == wanted:
            return changed
        if not self.check_mode:
            _os.chmod(path, wanted)
        return True

    def load_file_common_arguments(self, params, path=None):
        path = path or params.get('path') or params.get('dest')
        return dict(((name, params.get(name)) for name in FILE_COMMON_ARGUMENTS), path=path) if path else {}

    def set_fs_attributes_if_different(self, file_args, changed, diff=None, expand=True):
        path = file_args['path']
        if any(file_args.get(name) for name in ('owner', 'group')):
            import grp, pwd
            number = lambda name, find, field: int(name) if _TEXT(name).isdigit() else getattr(find(name), field)
            owner = number(file_args['owner'], pwd.getpwnam, 'pw_uid') if file_args.get('owner') else -1
            group = number(file_args['group'], grp.getgrnam, 'gr_gid') if file_args.get('group') else -1
            old = _os.lstat(path)
            if owner not in (-1, old.st_uid) or group not in (-1, old.st_gid):
                changed = True
                if not self.check_mode:
                    _os.lchown(path, owner, group)
        return self.set_mode_if_different(path, file_args.get('mode'), changed)

    set_file_attributes_if_different = set_fs_attributes_if_different

    def run_command(self, args, check_rc=False, close_fds=True, executable=None, data=None, binary_data=False,
                    path_prefix=None, cwd=None, use_unsafe_shell=False, prompt_regex=None, environ_update=None,
                    umask=None, encoding='utf-8', errors='surrogateescape', expand_user_and_vars=True, pass_fds=None,
                    before_communicate_callback=None, ignore_invalid_cwd=True, handle_exceptions=True):
        import shlex
        if not isinstance(args, (list, bytes, _TEXT, str)):
            self.fail_json(rc=257, cmd=to_native(args), msg="Argument 'args' to run_command must be list or string")
        shell = use_unsafe_shell
        if shell:
            args = args if isinstance(args, (_TEXT, str)) else ' '.join(_quoted(to_text(word)) for word in args)
        else:
            words = shlex.split(to_native(args)) if not isinstance(args, list) else [to_native(word) for word in args]
            args = [_os.path.expanduser(_os.path.expandvars(word)) for word in words] if expand_user_and_vars else words
        environment = _os.environ.copy()
        environment.update(self.run_command_environ_update)
        environment.update(environ_update or {})
        if path_prefix:
            environment['PATH'] = '%s:%s' % (path_prefix, environment.get('PATH', ''))
        if cwd and not _os.path.isdir(cwd):
            if not ignore_invalid_cwd:
                self.fail_json(msg='Provided cwd is not a valid directory: %s' % cwd)
            cwd = None
        if data is not None and not binary_data:
            data = to_bytes(data) + b'\n'
        try:
            started = _subprocess.Popen(
                args, shell=shell, executable=executable, stdin=_subprocess.PIPE if data is not None else None,
                stdout=_subprocess.PIPE, stderr=_subprocess.PIPE, cwd=cwd, env=environment,
                preexec_fn=(lambda: _os.umask(umask)) if umask is not None else None)
            out, err = started.communicate(data)
        except (OSError, IOError) as cause:
            if not handle_exceptions:
                raise
            self.fail_json(rc=cause.errno, stdout='', stderr='', msg=to_native(cause), cmd=args)
        if encoding is not None:
            out, err = to_native(out), to_native(err)
        if started.returncode != 0 and check_rc:
            self.fail_json(cmd=args, rc=started.returncode, stdout=out, stderr=err, msg=to_native(err).strip())
        return started.returncode, out, err


def _quoted(word):
    return "'%s'" % word.replace("'", "'\"'\"'")


def get_bin_path(arg, opt_dirs=None, required=None):
    folders = list(opt_dirs or []) + _os.environ.get('PATH', '').split(':') + ['/sbin', '/usr/sbin', '/usr/local/sbin']
    for folder in folders:
        path = _os.path.join(folder, arg)
        if folder and _os.path.isfile(path) and _os.access(path, _os.X_OK):
            return path
    raise ValueError('Failed to find required executable "%s" in paths: %s' % (arg, ':'.join(folders)))


def _snake_to_camel(name, capitalize_first=False):
    first, rest = name.split('_')[0], name.split('_')[1:]
    return (first.capitalize() if capitalize_first else first) + ''.join(word.capitalize() or '_' for word in rest)


def _camel_to_snake(name, reversible=False):
    if reversible:
        return _re.sub('[A-Z]', lambda found: '_' + found.group(0).lower(), name).lstrip('_' if name[:1] != '_' else '')
    # The plural of an abbreviation (`GroupARNs`) is one word.
    name = _re.sub('[A-Z]{3,}s$', lambda found: ('_' if found.start() else '') + found.group(0).lower(), name)
    name = _re.sub('(.)([A-Z][a-z]+)', r'\1_\2', name)
    return _re.sub('([a-z0-9])([A-Z]+)', r'\1_\2', name).lower()


def _with_keys(value, rename):
    if isinstance(value, dict):
        return dict((rename(key), _with_keys(inner, rename)) for key, inner in value.items())
    return [_with_keys(item, rename) for item in value] if isinstance(value, list) else value


def camel_dict_to_snake_dict(camel_dict, reversible=False, ignore_list=()):
    rename = lambda key: _camel_to_snake(key, reversible)
    return dict(
        (rename(key), value if key in ignore_list else _with_keys(value, rename)) for key, value in camel_dict.items())


def snake_dict_to_camel_dict(snake_dict, capitalize_first=False):
    return _with_keys(snake_dict, lambda key: _snake_to_camel(key, capitalize_first))


def dict_merge(a, b):
    if not isinstance(b, dict):
        return b
    merged = _copy.deepcopy(a)
    for key, value in b.items():
        nested = isinstance(merged.get(key), dict)
        merged[key] = dict_merge(merged[key], value) if nested else _copy.deepcopy(value)
    return merged


def recursive_diff(dict1, dict2):
    if not isinstance(dict1, dict) or not isinstance(dict2, dict):
        raise TypeError("Unable to diff 'dict1' %s and 'dict2' %s. Both must be a dictionary." % (type(dict1), type(dict2)))
    left = dict((key, value) for key, value in dict1.items() if key not in dict2)
    right = dict((key, value) for key, value in dict2.items() if key not in dict1)
    for key in set(dict1) & set(dict2):
        one, other = dict1[key], dict2[key]
        if isinstance(one, dict) and isinstance(other, dict):
            inner = recursive_diff(one, other)
            if inner:
                left[key], right[key] = inner
        elif one != other:
            left[key], right[key] = one, other
    return (left, right) if left or right else None


_DICT_TRANSFORMATIONS = {'_camel_to_snake': _camel_to_snake, '_snake_to_camel': _snake_to_camel}


class _OwnUtils(object):
    """Finds what the user has under `ansible.module_utils`, from the sources that came with the module."""

    def __init__(self, sources):
        from importlib.util import spec_from_loader
        self.sources, self.make_spec = sources, spec_from_loader

    def find_spec(self, fullname, path=None, target=None):
        name = fullname[len('ansible.module_utils.'):] if fullname.startswith('ansible.module_utils.') else None
        if name in self.sources or '%s.__init__' % name in self.sources:
            is_package = name not in self.sources
            return self.make_spec(fullname, self, is_package=is_package)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__[len('ansible.module_utils.'):]
        source = self.sources.get(name, self.sources.get(name + '.__init__'))
        exec(compile(source, name.replace('.', '/') + '.py', 'exec'), module.__dict__)


def _import_own(sources):
    if not sources:
        return
    _sys.meta_path.insert(0, _OwnUtils(sources))
    for name in sources:
        # What the user has of the same name comes before what is here.
        own = 'ansible.module_utils.' + (name[:-len('.__init__')] if name.endswith('.__init__') else name)
        above, _, last = own.rpartition('.')
        if _sys.modules.pop(own, None) is not None and above in _sys.modules:
            _sys.modules[above].__dict__.pop(last, None)


def run_module(source, name):
    """Makes what it imports importable, and runs a module as the program."""
    here = globals()
    exported = dict((key, value) for key, value in here.items() if not key.startswith('_') and not key.startswith('MUSTER_'))
    exported.update(
        PY2=_sys.version_info[0] == 2, PY3=_sys.version_info[0] > 2, string_types=(_TEXT, str), text_type=_TEXT,
        binary_type=bytes, integer_types=(int,), BOOLEANS_TRUE=frozenset(('y', 'yes', 'on', '1', 'true', 't', 1, 1.0, True)),
        BOOLEANS_FALSE=frozenset(('n', 'no', 'off', '0', 'false', 'f', 0, 0.0, False)), json=json, os=_os, sys=_sys,
        re=_re, traceback=_traceback, _load_params=lambda: MUSTER_ARGUMENTS, __version__='2.19.0', __author__='',
        __codename__='', iteritems=lambda d: iter(d.items()), raise_from=None)
    exported.update(_DICT_TRANSFORMATIONS)
    names = ['basic', '_text', 'ansible_release', 'six', 'six.moves', 'common', 'common.text', 'common.text.converters', 'common._collections_compat',
             'common.process', 'common.collections', 'common.dict_transformations', 'parsing', 'parsing.convert_bool', 'common.validation']
    for path in ['ansible', 'ansible.modules', 'ansible.module_utils'] + ['ansible.module_utils.' + one for one in names]:
        module = _types.ModuleType(path)
        module.__path__ = []
        module.__dict__.update(exported)
        _sys.modules[path] = module
        if '.' in path:
            above, own = path.rsplit('.', 1)
            setattr(_sys.modules[above], own, module)
    _import_own(MUSTER_UTILS)
    scope = {'__name__': '__main__', '__file__': name, '__builtins__': __builtins__, '__package__': 'ansible.modules'}
    try:
        exec(compile(source, name, 'exec'), scope)
    except SystemExit:
        raise
    except BaseException:
        told = _traceback.format_exc()
        print(json.dumps(dict(
            failed=True, msg='Task failed: Module failed: %s' % _sys.exc_info()[1], exception=told,
            module_stderr=told, module_stdout='', rc=1)))
        _sys.exit(1)
